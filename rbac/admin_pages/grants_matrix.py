"""The grants of one environment as a matrix: who holds which role, with a link to give it or to look at the grant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Q
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_site import READS, caller_in, chosen_place, holds
from authsvc.tenants.models import Environment, Principal, PrincipalKind
from rbac.models import Grant, Role

SCOPE = "grants:read"
MOST_ROWS, MOST_ROLES = 100, 20


@dataclass(frozen=True, slots=True)
class Cell:
    """What one principal has of one role: the living grant, or the address that gives it."""

    label: str
    url: str
    is_held: bool


def matrix_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the matrix of the chosen environment; devices' own grants are on their pages."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    chosen = chosen_place(request)
    wanted = request.GET.get("place", chosen.id if chosen else "")
    place = places.get(wanted) or next(iter(places.values()), None)
    if place is None or request.method not in READS:
        raise Http404
    may_grant = holds(caller_in(request, place), "grants:write")
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": "Who holds which role",
        "environment": place,
        "matrix_places": list(places.values()),
        **_matrix(place, may_grant=may_grant),
    }
    return TemplateResponse(request, "admin/grants_matrix.html", context)


def _matrix(place: Environment, *, may_grant: bool) -> dict[str, Any]:
    roles = list(Role.objects.for_tenant(place.tenant_id).filter(environment=place).order_by("name")[:MOST_ROLES])
    people = Principal.objects.for_tenant(place.tenant_id).filter(environment=place)
    people = people.filter(kind=PrincipalKind.SERVICE_ACCOUNT).order_by("name")
    principals = list(people[:MOST_ROWS])
    held = _held(place, principals)
    rows = [(who, [_cell(who, role, held, may_grant=may_grant) for role in roles]) for who in principals]
    return {"roles": roles, "rows": rows, "left_out": max(0, people.count() - MOST_ROWS)}


def _held(place: Environment, principals: list[Principal]) -> dict[tuple[str, str], Grant]:
    living = Grant.objects.for_tenant(place.tenant_id).filter(principal__in=principals, revoked_at__isnull=True)
    living = living.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now())).select_related("gateway")
    return {(grant.principal_id, grant.role_id): grant for grant in living if grant.role_id}


def _cell(who: Principal, role: Role, held: dict[tuple[str, str], Grant], *, may_grant: bool) -> Cell:
    grant = held.get((who.id, role.id))
    if grant is not None:
        where = f", only at {grant.gateway}" if grant.gateway else ""
        until = f", until {grant.expires_at:%Y-%m-%d}" if grant.expires_at else ""
        url = reverse("admin:rbac_grant_change", args=[quote(grant.pk)])
        return Cell(f"{who} holds {role}{where}{until}", url, is_held=True)
    url = reverse("admin:rbac_grant_add") + f"?principal={who.id}&role={role.id}" if may_grant else ""
    return Cell(f"Grant {role} to {who}" if may_grant else "", url, is_held=False)
