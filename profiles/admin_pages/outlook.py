"""Which credential an agent would get now, and why; and the order of a provider, moved up or down. Releases nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import add_environment_field, show_problem
from authsvc.tenants.admin_site import caller_in, chosen_place, holds
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from profiles.models import DEFAULT_AGENT
from profiles.services.order import EVERY_AGENT, clear_order, find_order, set_order
from profiles.services.resolve import ResolveQuery, candidate_rows, preview_resolution, trace_document

READ, WRITE = "profiles:read", "profiles:write"


class OutlookForm(forms.Form):
    """Whose turn is asked for."""

    provider = forms.CharField(max_length=64)
    agent = forms.CharField(max_length=128, initial=DEFAULT_AGENT, required=False)
    model = forms.CharField(max_length=128, required=False)


def outlook_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the resolution for an agent; a button moves a profile in the explicit order."""
    places = {row.id: row for row in page.environments(request, READ)}
    if not places:
        raise Http404
    asked = request.POST if request.method == "POST" else request.GET
    form = OutlookForm(asked if "provider" in asked else None)
    chosen = chosen_place(request)
    add_environment_field(form, places, chosen.id if chosen else "")
    context: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        place = places[form.cleaned_data["environment"]]
        caller = caller_in(request, place)
        context = {"environment": place, "may_order": holds(caller, WRITE)}
        query = ResolveQuery(
            provider=form.cleaned_data["provider"],
            agent=form.cleaned_data["agent"] or DEFAULT_AGENT,
            model=form.cleaned_data["model"] or None,
        )
        if request.method == "POST":
            _reordered(request, form, caller, query)
        context |= _outlook(caller, query)
    shown = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "form": form,
        "title": "Who gets which credential",
        **context,
    }
    return TemplateResponse(request, "admin/outlook.html", shown)


def _outlook(caller: Caller, query: ResolveQuery) -> dict[str, Any]:
    rows = candidate_rows(caller, query)
    resolution = preview_resolution(caller, query, rows, now=datetime.now(UTC))
    explicit = find_order(caller, provider=query.provider, agent=query.agent)
    order = explicit if explicit is not None else tuple(profile.key for profile, _ in rows)
    return {
        "resolution": resolution,
        "trace": trace_document(resolution),
        "order": order,
        "is_explicit": explicit is not None,
    }


def _reordered(request: HttpRequest, form: forms.Form, caller: Caller, query: ResolveQuery) -> None:
    """Move one profile of the order, or forget the order; only with the right to write profiles."""
    if not holds(caller, WRITE):
        raise Http404
    agent = EVERY_AGENT if query.agent == DEFAULT_AGENT else query.agent
    now = datetime.now(UTC)
    if "clear" in request.POST:
        clear_order(caller, provider=query.provider, agent=agent, now=now)
        return
    keys = list(_outlook(caller, query)["order"])
    dragged = request.POST.getlist("order")
    if sorted(dragged) == sorted(keys) and dragged != keys:
        _store(request, form, caller, query.provider, agent, dragged, "The order is changed.")
        return
    name, step = ("up", -1) if "up" in request.POST else ("down", 1)
    key = request.POST.get(name, "")
    if key not in keys:
        return
    old = keys.index(key)
    keys.insert(max(0, old + step), keys.pop(old))
    _store(request, form, caller, query.provider, agent, keys, f"{key} is number {keys.index(key) + 1} now.")


def _store(
    request: HttpRequest, form: forms.Form, caller: Caller, provider: str, agent: str, keys: list[str], said: str
) -> None:
    try:
        set_order(caller, provider=provider, agent=agent, profile_keys=keys, now=datetime.now(UTC))
    except Problem as problem:
        show_problem(form, problem)
    else:
        messages.success(request, said)
