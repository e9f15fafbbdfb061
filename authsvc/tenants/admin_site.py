"""The admin site: who may enter it, which tenants an operator sees, and as which Caller an operator acts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import IntegerField, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from authsvc.audit.models import PLATFORM, AuditEvent
from authsvc.tenants.models import Environment, Operator, Tenant
from authsvc.tenants.second_factor import Step, is_verified, next_step
from authsvc.tenants.services import MEMBERSHIP_SCOPES, operator_caller
from authsvc.tenants.sidebar import Sidebar
from authsvc.tenants.sign_in import SignInForm
from authsvc.web.caller import Caller
from authsvc.web.chart import Chart
from authsvc.web.client_address import client_address
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Forbidden
from authsvc.web.request_id import request_id_of


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that may wait for a person: how much, what it is, where, and what to say when there is none.

    ``count`` may be given as the rows to count: those of the whole page are counted in one question.
    """

    count: int | QuerySet[Any]
    label: str
    url: str
    when_empty: str
    is_urgent: bool = False


CountsAttention = Callable[[Operator, Environment | None], Attention | Sequence[Attention]]
ShowsChart = Callable[[HttpRequest], Chart]
PLACE = "place"
READS = ("GET", "HEAD")  # what a page that only shows answers
AUTHSVC_ADMIN = "authsvc:admin"
Known = TypeVar("Known")
MOST_PLACES, MOST_HITS, MOST_EVENTS, MOST_CHAINS, MAXIMUM_QUERY = 2000, 8, 10, 3, 200
_ROLES = Prepared(
    lambda operator_id: (
        Operator.objects.filter(pk=operator_id, memberships__isnull=False)
        .order_by()
        .values_list("memberships__tenant_id", "memberships__role")
    )
)
OPAQUE = re.compile(r"\A(?:ask|agw|acs|ads|art)_[a-z0-9-]+_([A-Za-z0-9]+)")


class HouseAdminSite(admin.AdminSite):
    """The admin site: open to active operators who see at least one tenant."""

    site_header = "authsvc"
    site_title = "authsvc"
    index_title = "What needs you"
    site_url = "/api/docs/"
    index_template = "admin/house_index.html"

    login_form = SignInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.attention: list[CountsAttention] = []
        self.charts: list[ShowsChart] = []
        self.sidebar = Sidebar(self)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Show first what waits for a person, then what happened, then every page."""
        operator, place = operator_of(request), chosen_place(request)
        counted = [count(operator, place) for count in self.attention]
        waiting = [item for found in counted for item in ([found] if isinstance(found, Attention) else found)]
        extra = {
            "attention": counted_at_once(operator, waiting),
            "charts": [show(request) for show in self.charts],
            "events": recent_events(operator, place),
        }
        return super().index(request, {**(extra_context or {}), **extra})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the places the operator may work in, and the chosen one, to every page."""
        context = super().each_context(request)
        if self.has_permission(request):
            place = chosen_place(request)
            context |= {"places": places_of(request), "environment": place, "chosen_place": place}
            context["sidebar"] = self.sidebar.drawn(request, context["available_apps"])
        return context

    def get_app_list(self, request: Any, app_label: str | None = None) -> Any:
        """Return the pages the operator may use, by app; worked out once for all who may do the same."""
        make = super().get_app_list
        if app_label or not self.has_permission(request):
            return make(request, app_label)
        return self.sidebar.pages(request, lambda: make(request))

    def has_permission(self, request: HttpRequest) -> bool:
        """True for platform operators, and for operators with a membership; decided once per request and user."""
        user, memory = request.user, request.__dict__
        if memory.get("house_enters", (None,))[0] is not user:
            memory["house_enters"] = user, may_enter(request, user)
        is_let_in: bool = memory["house_enters"][1]
        return is_let_in

    def ask_again(self, request: HttpRequest) -> HttpResponse | None:
        """Return the page that asks for the second factor, or ``None`` while it is fresh; a site says how."""
        raise PermissionDenied

    def get_urls(self) -> list[Any]:
        """Return the site's routes without the redirect that would tell foreign rows from missing ones."""
        own = [
            path("place/", self.admin_view(self.choose_place), name="choose_place"),
            path("search/", self.admin_view(self.search), name="search"),
        ]
        return [*own, *(route for route in super().get_urls() if getattr(route, "name", "") != "view_on_site")]

    def choose_place(self, request: HttpRequest) -> HttpResponse:
        """Remember the tenant and environment to work in; an unknown or foreign one is forgotten."""
        if request.method == "POST":
            wanted = request.POST.get("place", "")
            request.session[PLACE] = wanted if any(row.id == wanted for row in places_of(request)) else ""
        return HttpResponseRedirect(reverse("admin:index"))

    def search(self, request: HttpRequest) -> HttpResponse:
        """Look for one text on every page that can be searched, in the operator's tenants."""
        text = request.GET.get("q", "").strip().replace("\x00", "")[:MAXIMUM_QUERY]
        found = search_pages(self, request, text) if text else []
        context = {**self.each_context(request), "title": "Search", "text": text, "found": found}
        return TemplateResponse(request, "admin/house_search.html", context)


def may_enter(request: HttpRequest, user: object) -> bool:
    """True when the user is an active operator who sees a tenant and has shown what has to be shown."""
    if not isinstance(user, Operator) or not user.is_active:
        return False
    is_known = user.is_superuser or bool(seen_tenant_ids(user))
    return is_known and step_of(request) is Step.NONE


def search_pages(site: admin.AdminSite, request: HttpRequest, text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return, by page, the rows that match: what they are called, and where they are."""
    opaque = OPAQUE.match(text)
    text = f"key_{opaque[1]}" if opaque else text
    found = []
    for model, page in site._registry.items():
        if not page.get_search_fields(request):
            continue
        rows, _ = page.get_search_results(request, page.get_queryset(request), text)
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        hits = [(str(row), reverse(name, args=[quote(row.pk)])) for row in rows[:MOST_HITS]]
        if hits:
            found.append((str(model._meta.verbose_name_plural), hits))
    return found


def counted_at_once(operator: Operator, waiting: Sequence[Attention]) -> list[Attention]:
    """Return the figures with every set of rows counted, all in one question."""
    wanted = {f"n{number}": item.count for number, item in enumerate(waiting) if isinstance(item.count, QuerySet)}
    if not wanted:
        return list(waiting)
    asked = {name: CountOf(rows.order_by().values("pk")) for name, rows in wanted.items()}
    found: dict[str, Any] = cast(Any, Operator.objects.filter(pk=operator.pk)).values(**asked).get()
    return [
        replace(item, count=found[f"n{number}"]) if isinstance(item.count, QuerySet) else item
        for number, item in enumerate(waiting)
    ]


class CountOf(Subquery):
    """How many rows a question of its own finds, as one value of another."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def recent_events(operator: Operator, place: Environment | None) -> list[AuditEvent]:
    """Return the newest events of the chosen tenant, else of the first tenants the operator sees."""
    tenant_ids = seen_tenant_ids(operator)
    chains = [place.tenant_id] if place else [PLATFORM] if tenant_ids is None else tenant_ids[:MOST_CHAINS]
    events = [
        event
        for chain in chains
        for event in AuditEvent.objects.filter(tenant_id=chain).order_by("-sequence")[:MOST_EVENTS]
    ]
    return sorted(events, key=lambda event: event.occurred_at, reverse=True)[:MOST_EVENTS]


def step_of(request: HttpRequest) -> Step:
    """Return what the signed-in operator still has to show, read once per request."""
    return remembered(request, "step", lambda: next_step(operator_of(request), is_verified=is_verified(request)))


def places_of(request: HttpRequest) -> list[Environment]:
    """Return the environments the operator may choose, read once per request."""
    return remembered(request, "places", lambda: visible_places(operator_of(request)))


def places_where(request: HttpRequest, scope: str) -> list[Environment]:
    """Return the environments in which the operator's role includes a scope, decided once per request and scope."""
    operator = operator_of(request)
    return remembered(request, f"places:{scope}", lambda: _places_where(request, operator, scope))


def _places_where(request: HttpRequest, operator: Operator, scope: str) -> list[Environment]:
    if operator.is_superuser:
        return places_of(request)
    roles = seen_roles(operator)
    wanted = {scope, AUTHSVC_ADMIN}
    return [row for row in places_of(request) if MEMBERSHIP_SCOPES[roles[row.tenant_id]] & wanted]


def remembered(request: HttpRequest, name: str, read: Callable[[], Known]) -> Known:
    """Return what was read for this request, reading it the first time."""
    memory: dict[str, Any] = request.__dict__.setdefault("house_memory", {})
    if name not in memory:
        memory[name] = read()
    known: Known = memory[name]
    return known


def seen_tenant_ids(operator: Operator) -> list[str] | None:
    """Return the ids of the tenants the signed-in operator sees, read once per request; ``None`` means all."""
    return None if operator.is_active and operator.is_superuser else list(seen_roles(operator))


def seen_roles(operator: Operator) -> dict[str, str]:
    """Return the signed-in operator's role by tenant, read once per request; nothing for one who is not active."""
    memory = operator.__dict__
    if "house_roles" not in memory:
        memory["house_roles"] = dict(_ROLES.rows(operator_id=operator.pk) if operator.is_active else ())
    found: dict[str, str] = memory["house_roles"]
    return found


def visible_places(operator: Operator) -> list[Environment]:
    """Return the environments of the tenants an operator sees."""
    rows = in_sight(Environment.unscoped.select_related("tenant"), operator)
    return list(rows.order_by("tenant__slug", "name")[:MOST_PLACES])


def chosen_place(request: HttpRequest) -> Environment | None:
    """Return the environment the operator chose to work in, while it is still theirs."""
    wanted = request.session.get(PLACE, "") if hasattr(request, "session") else ""
    return next((row for row in places_of(request) if row.id == wanted), None) if wanted else None


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
    return bool(caller.scopes & {scope, AUTHSVC_ADMIN})


def require(caller: Caller, scope: str) -> None:
    """Raise ``Forbidden`` unless the operator's role includes the scope."""
    if not holds(caller, scope):
        raise Forbidden(f"Your role here does not include {scope}.")


def calls_for_attention(count: CountsAttention) -> CountsAttention:
    """Register a figure for the first page; each room registers its own."""
    cast(Any, admin.site).attention.append(count)
    return count


def shows_chart(show: ShowsChart) -> ShowsChart:
    """Register a drawing for the first page; each room registers its own."""
    cast(Any, admin.site).charts.append(show)
    return show


def in_sight(rows: Any, operator: Operator, place: Environment | None = None) -> Any:
    """Return the rows of the tenants an operator sees, or of the place it chose among them."""
    tenant_ids = seen_tenant_ids(operator)
    if place is not None:
        rows = rows.filter(environment=place, tenant_id=place.tenant_id)
    return rows if tenant_ids is None else rows.filter(tenant_id__in=tenant_ids)


def visible_tenants(operator: Operator) -> QuerySet[Tenant]:
    """Return the tenants an operator sees."""
    tenant_ids = seen_tenant_ids(operator)
    return Tenant.objects.all() if tenant_ids is None else Tenant.objects.filter(id__in=tenant_ids)
