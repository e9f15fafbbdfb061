"""The base of every admin page: operators see the tenants of their memberships, and every button calls a service.

Lists and detail pages are read-only. What changes something is a :class:`ServiceAction` (on a row) or the add page: a
plain form, a scope the operator must hold in that tenant, and one service call with a Caller. A foreign row and a
missing one are the same to an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import QUOTE_MAP, quote, unquote
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authsvc.tenants.admin_forms import ChoosesRow, add_environment_field, show_problem
from authsvc.tenants.admin_history import events_about
from authsvc.tenants.admin_site import caller_in, chosen_place, holds, operator_of, places_where, require
from authsvc.tenants.four_eyes import ReviewRequired
from authsvc.tenants.models import Environment
from authsvc.tenants.reviews import request_instead
from authsvc.tenants.services import visible_tenant_ids
from authsvc.web.caller import Caller
from authsvc.web.picture import Picture
from authsvc.web.problems import NotFound, Problem

if TYPE_CHECKING:  # Django's classes take type arguments only in their stubs
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

# The admin reads "_2B" in an address as "+". No id of ours holds such a character, so where one appears it was an id.
AS_WRITTEN = {code: text for code, text in QUOTE_MAP.items() if code != ord("_")}

Fields = Mapping[str, Any]
Perform = Callable[[Caller, Any, Fields, datetime], "ShownOnce | str"]
AsksAgain = Callable[[Any, Fields], bool]


@dataclass(frozen=True, slots=True)
class TestOffer:
    """A fresh proof may be tried at once: where the question goes, what stands in it, and which actions to ask."""

    url: str
    fields: Mapping[str, str]
    actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """A result that holds a secret: rendered in the answer to the POST, never stored, never cached."""

    title: str
    explanation: str
    secret: str
    facts: Mapping[str, str]
    snippets: Mapping[str, str] = field(default_factory=dict)
    test: TestOffer | None = None
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """A box on a row's page: lines to read, or one text to copy; ``url`` leads to more."""

    title: str
    lines: Sequence[str] = ()
    text: str = ""
    when_empty: str = "Nothing yet."
    url: str = ""
    url_text: str = "All of them"


ShowsPanels = Callable[[HttpRequest, Any], Sequence[Panel]]


@dataclass(frozen=True, slots=True)
class ServiceAction:
    """A button on a row: its form, the scope it requires, the service call behind it, and whether it asks who it is."""

    name: str
    label: str
    scope: str
    form: type[forms.Form]
    perform: Perform
    is_dangerous: bool = False
    applies: Callable[[Any], bool] = lambda _row: True
    template: str = "admin/service_form.html"
    asks_again: AsksAgain = lambda _row, _fields: False  # True: the operator's second factor must be fresh


def always(_row: Any, _fields: Fields) -> bool:
    """Ask for a fresh second factor whatever the form says."""
    return True


class HouseAdmin(ModelAdmin):
    """Read-only lists and details within the operator's tenants, with service actions."""

    tenant_lookup: ClassVar[str] = "tenant_id"
    service_actions: ClassVar[tuple[ServiceAction, ...]] = ()
    add_scope: ClassVar[str] = ""
    service_add_form: ClassVar[type[forms.Form] | None] = None
    add_title: ClassVar[str] = ""
    service_add_template: ClassVar[str] = "admin/service_form.html"
    panels: ClassVar[tuple[ShowsPanels, ...]] = ()
    when_empty: ClassVar[str] = "Nothing is here yet."
    change_form_template = "admin/house_detail.html"
    change_list_template = "admin/house_list.html"
    list_per_page = 50
    show_full_result_count = False
    view_on_site = False
    actions: Any = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """True for the page's own filters alone: any other lookup could ask a hash letter by letter."""
        filters = {getattr(item, "parameter_name", item) for item in self.list_filter}
        return lookup.removesuffix("__exact") in filters

    def has_module_permission(self, request: HttpRequest) -> bool:
        """True for every operator: what they see is decided row by row."""
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """True when the row lies in a tenant the operator sees."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """True when this page has an add form and the operator may use it somewhere."""
        return self.service_add_form is not None and bool(self.environments(request, self.add_scope))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: rows change through services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: rows are deleted through services."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the operator's tenants."""
        rows: QuerySet[Any] = cast(Any, self.model)._default_manager.all()
        tenant_ids = visible_tenant_ids(operator_of(request))
        rows = rows if tenant_ids is None else rows.filter(**{f"{self.tenant_lookup}__in": tenant_ids})
        ordering = self.get_ordering(request)
        return rows.order_by(*ordering) if ordering else rows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a visible row by its id, as the admin writes it in an address or as it is; ``None`` without one."""
        return super().get_object(request, object_id.translate(AS_WRITTEN), from_field)

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> ShownOnce | str:
        """Call the service behind the add form; returns what to show, or a sentence."""
        raise Http404

    def environments(self, request: HttpRequest, scope: str) -> list[Environment]:
        """Return the environments in which the operator holds ``scope``."""
        return places_where(request, scope)

    def environment_of(self, row: Any) -> Environment:
        """Return the environment a row belongs to."""
        environment: Environment = row if isinstance(row, Environment) else row.environment
        return environment

    def place_of(self, row: Any) -> Environment | None:
        """Return the environment to name on a row's pages, or ``None`` for what lies above environments."""
        return self.environment_of(row)

    def find_caller(self, request: HttpRequest, row: Any) -> Caller | None:
        """Return the operator as who may act on this row, or ``None``."""
        return caller_in(request, self.environment_of(row))

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of the service actions."""
        info = self.model._meta.app_label, self.model._meta.model_name
        act = path(
            "<path:object_id>/do/<slug:name>/",
            self.admin_site.admin_view(self.action_view),
            name="{}_{}_do".format(*info),
        )
        return [act, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show and run the add form."""
        if self.service_add_form is None or not self.has_add_permission(request):
            raise Http404
        form = self.service_add_form(request.POST if request.method == "POST" else None, initial=request.GET.dict())
        self.prepare_add(request, form)
        if request.method == "POST" and form.is_valid() and self.is_ready(request, form):
            place = self.add_place(request, form)
            asked = self.ask_again(request) if self.add_asks_again(request, form) else None
            done = asked or self._run(request, form, place, lambda now: self._added(request, form, now))
            if done is not None:
                return done
        extra = {"template": self.service_add_template, **self.add_context(request, form)}
        return self._form_page(request, form, self.add_title or f"Add {self.opts.verbose_name}", extra)

    def add_place(self, request: HttpRequest, form: forms.Form) -> Environment | None:
        """Return the environment a valid add form acts in, or ``None`` above all of them."""
        wanted = form.place_id() if isinstance(form, ChoosesRow) else form.cleaned_data.get("environment")
        return next((row for row in self.environments(request, self.add_scope) if row.id == wanted), None)

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True when what the add form asks for needs a fresh second factor."""
        return False

    def ask_again(self, request: HttpRequest) -> HttpResponse | None:
        """Return the page that asks for the second factor, which sends the same form again; ``None`` to go on."""
        asked: HttpResponse | None = cast(Any, self.admin_site).ask_again(request)
        return asked

    def is_ready(self, request: HttpRequest, form: forms.Form) -> bool:
        """False while a valid form is only to be previewed or confirmed."""
        return True

    def add_context(self, request: HttpRequest, form: forms.Form) -> dict[str, Any]:
        """Return what the add page shows beside its form."""
        return {}

    def action_context(self, request: HttpRequest, action: ServiceAction, row: Any) -> dict[str, Any]:
        """Return what an action's page shows beside its form."""
        return {}

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Put the choice of environment first, and let the form fill its own choices."""
        choices = {row.id: row for row in self.environments(request, self.add_scope)}
        place = chosen_place(request)
        if isinstance(form, ChoosesRow):
            form.fill([choices[place.id]] if place and place.id in choices else list(choices.values()))
        else:
            add_environment_field(form, choices, request.GET.get("environment", place.id if place else ""))

    def add_caller(self, request: HttpRequest, form: forms.Form) -> Caller:
        """Return the operator in the environment the form names, holding the page's scope there."""
        choices = {row.id: row for row in self.environments(request, self.add_scope)}
        chosen = form.place_id() if isinstance(form, ChoosesRow) else form.cleaned_data["environment"]
        if chosen not in choices:
            raise NotFound
        caller = caller_in(request, choices[chosen])
        require(caller, self.add_scope)
        return caller

    def _added(self, request: HttpRequest, form: forms.Form, now: datetime) -> ShownOnce | str:
        return self.perform_add(self.add_caller(request, form), form.cleaned_data, now)

    def action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Show and run the form of one action on one row."""
        row = self.get_object(request, unquote(object_id))
        action = next((action for action in self.service_actions if action.name == name), None)
        if row is None or action is None or not action.applies(row):
            raise Http404
        caller = self.find_caller(request, row)
        if caller is None or not holds(caller, action.scope):
            raise Http404
        form = action.form(
            request.POST if request.method == "POST" else None, initial=dict(self.initial_for(action, row))
        )
        if request.method == "POST" and form.is_valid():
            asked = self.ask_again(request) if action.asks_again(row, form.cleaned_data) else None
            done = asked or self._run(
                request, form, self.place_of(row), lambda now: action.perform(caller, row, form.cleaned_data, now)
            )
            if done is not None:
                return done
        extra = {
            "template": action.template,
            "action": action,
            "original": row,
            "environment": self.place_of(row),
            "detail": self.describe(row),
            **self.action_context(request, action, row),
        }
        return self._form_page(request, form, f"{action.label}: {row}", extra)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list; one that is empty says what to do next."""
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "when_empty": self.when_empty}
        )
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one row with the buttons this operator may press."""
        row = self.get_object(request, unquote(object_id))
        extra = dict(extra_context or {})
        if row is not None:
            extra["service_actions"] = self._buttons(request, row)
            extra["environment"] = getattr(row, "environment", None)
            extra["panels"] = [panel for shown in self.panels for panel in shown(request, row)]
            extra["timeline"] = events_about(row, self.history_ids(row))
            extra.update(self.row_context(request, row))
        return super().change_view(request, object_id, form_url, extra)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponseRedirect:
        """Answer a missing row, and a foreign one, with the same plain 404."""
        raise Http404

    def _buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        if not self.service_actions:
            return []
        caller = self.find_caller(request, row)
        info = self.model._meta.app_label, self.model._meta.model_name
        return [
            {
                "label": action.label,
                "dangerous": action.is_dangerous,
                "url": reverse("admin:{}_{}_do".format(*info), args=[row.pk, action.name]),
            }
            for action in self.service_actions
            if caller is not None and action.applies(row) and holds(caller, action.scope)
        ]

    def _run(
        self,
        request: HttpRequest,
        form: forms.Form,
        place: Environment | None,
        call: Callable[[datetime], ShownOnce | str],
    ) -> HttpResponse | None:
        """Call the service; a problem becomes an error of the form, a secret is rendered at once."""
        try:
            result = call(datetime.now(UTC))
        except ReviewRequired as refused:
            return self._ask_for_review(request, form, refused)
        except Problem as problem:
            show_problem(form, problem)
            return None
        if isinstance(result, ShownOnce):
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "environment": place,
                "shown": result,
                "title": result.title,
            }
            response = TemplateResponse(request, "admin/shown_once.html", context)
            response.headers["Cache-Control"] = "no-store"
            return response
        messages.success(request, result)
        info = self.model._meta.app_label, self.model._meta.model_name
        return HttpResponseRedirect(reverse("admin:{}_{}_changelist".format(*info)))

    def _ask_for_review(self, request: HttpRequest, form: forms.Form, refused: ReviewRequired) -> HttpResponse | None:
        """Offer to ask a second operator; a second press of that button asks for exactly what was refused."""
        if "ask" not in request.POST:
            form.needs_review = True  # type: ignore[attr-defined]
            show_problem(form, refused)
            return None
        try:
            review = request_instead(refused, reason=str(refused.fields.get("reason") or ""), now=datetime.now(UTC))
        except Problem as problem:
            show_problem(form, problem)
            return None
        messages.success(request, "A second operator was asked; nothing has changed yet.")
        return HttpResponseRedirect(reverse("admin:authsvc_review_change", args=[quote(review.pk)]))

    def _form_page(self, request: HttpRequest, form: forms.Form, title: str, extra: dict[str, Any]) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form, "title": title, **extra}
        return TemplateResponse(request, extra["template"], context)

    def history_ids(self, row: Any) -> list[str]:
        """Return the ids whose events belong to the row's history."""
        return [str(row.pk)]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the row's page shows beside its fields."""
        return {}

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Return what an action's form shows at first."""
        return {}

    @admin.display(description="environment", ordering="environment")
    def where(self, row: Any) -> SafeString:
        """Return the row's environment; prod looks like nothing else."""
        name = row.environment.name
        return format_html('<span class="env env-{}">{}</span>', name, row.environment)

    def describe(self, row: Any) -> Mapping[str, str]:
        """Return facts about the row to show beside an action's form."""
        return {}
