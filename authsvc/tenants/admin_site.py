"""The admin site: who may enter it, which tenants an operator sees, and as which Caller an operator acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from authsvc.tenants.models import Environment, Operator, Tenant
from authsvc.tenants.services import operator_caller, visible_tenant_ids
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.problems import Forbidden
from authsvc.web.request_id import request_id_of


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that may wait for a person: how much, what it is, where, and what to say when there is none."""

    count: int
    label: str
    url: str
    when_empty: str


class HouseAdminSite(admin.AdminSite):
    """The admin site: open to active operators who see at least one tenant."""

    site_header = "authsvc"
    site_title = "authsvc"
    index_title = "What needs you"
    site_url = "/api/docs/"
    index_template = "admin/house_index.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.attention: list[Callable[[Operator], Attention]] = []

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Show first what waits for a person, then every page."""
        waiting = [count(operator_of(request)) for count in self.attention]
        return super().index(request, {**(extra_context or {}), "attention": waiting})

    def has_permission(self, request: HttpRequest) -> bool:
        """True for platform operators, and for operators with a membership."""
        user = request.user
        return isinstance(user, Operator) and user.is_active and (user.is_superuser or user.memberships.exists())

    def get_urls(self) -> list[Any]:
        """Return the site's routes without the redirect that would tell foreign rows from missing ones."""
        return [route for route in super().get_urls() if getattr(route, "name", "") != "view_on_site"]


def operator_of(request: HttpRequest) -> Operator:
    """Return the signed-in operator."""
    if not isinstance(request.user, Operator):
        raise Http404
    return request.user


def caller_in(request: HttpRequest, environment: Environment) -> Caller:
    """Return the operator as a Caller in one environment; raises ``NotFound`` without a membership there."""
    return operator_caller(
        operator_of(request),
        environment,
        request_id=request_id_of(request),
        address=client_address(request),
    )


def holds(caller: Caller, scope: str) -> bool:
    """True when an operator's role includes the scope; roles name scopes plainly, without ids."""
    return bool(caller.scopes & {scope, "authsvc:admin"})


def require(caller: Caller, scope: str) -> None:
    """Raise ``Forbidden`` unless the operator's role includes the scope."""
    if not holds(caller, scope):
        raise Forbidden(f"Your role here does not include {scope}.")


def calls_for_attention(count: Callable[[Operator], Attention]) -> Callable[[Operator], Attention]:
    """Register a figure for the first page; each room registers its own."""
    cast(Any, admin.site).attention.append(count)
    return count


def in_sight(rows: Any, operator: Operator) -> Any:
    """Return the rows of the tenants an operator sees."""
    tenant_ids = visible_tenant_ids(operator)
    return rows if tenant_ids is None else rows.filter(tenant_id__in=tenant_ids)


def visible_tenants(operator: Operator) -> QuerySet[Tenant]:
    """Return the tenants an operator sees."""
    tenant_ids = visible_tenant_ids(operator)
    return Tenant.objects.all() if tenant_ids is None else Tenant.objects.filter(id__in=tenant_ids)
