"""The page of a gateway's routes: its own rules in order, what holds for the rest, and a question that is answered.

Whoever may read gateways sees it; with the right to write them the rules are a form. Its buttons only rearrange what is
typed until Save stores the whole table through ``set_routes``, as the API does. Refused: a table that somebody changed
since it was opened, until it is saved once more, and a rule that becomes public, until that very list is confirmed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.tenants.admin_base import HouseAdmin, Panel
from authsvc.tenants.admin_forms import show_problem
from authsvc.tenants.admin_site import READS, holds
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from rbac.admin_pages.route_forms import (
    EMPTY,
    MOST_ROWS,
    QuestionForm,
    RestForm,
    Row,
    RuleForm,
    default_rows,
    is_empty,
    methods_of,
    rearranged,
    stored_rows,
    typed_rows,
)
from rbac.admin_pages.route_words import REST, Answer, explain_match, open_keys, routes_line
from rbac.admin_pages.scope_choices import SCOPE_CHOICES
from rbac.models import Gateway
from rbac.routes import Unmapped
from rbac.services.routes import set_routes

READ, WRITE = "gateways:read", "gateways:write"
CHANGED = "Somebody changed these routes meanwhile. What you typed is below; saving it once more replaces theirs."
JUST_CHECK = "0"  # what Enter in a field presses: what is typed is checked, a typed question answered, nothing saved
OPENS = "Tick that these rules may be public, or give them scopes."
TWICE = "An earlier row has this method and pattern already."


@dataclass(slots=True)
class Sheet:
    """The forms of one table, and what was found when they were checked."""

    rules: list[RuleForm]
    rest: RestForm
    moved: int = -1  # where the row is now that a button moved; it keeps the focus
    opened: list[str] = field(default_factory=list)  # the rules that become public
    table: Gateway | None = None  # what is typed, never saved itself; None while something is wrong


def routes_page(page: HouseAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show a gateway's routes, store them, or answer a question about them."""
    row: Gateway | None = page.get_object(request, unquote(object_id))
    caller = page.find_caller(request, row) if row is not None else None
    if row is None or caller is None or not holds(caller, READ):
        raise Http404
    may_change = holds(caller, WRITE) and len(row.routes) <= MOST_ROWS
    if request.method not in (*READS, *(["POST"] if may_change else [])):
        raise Http404
    sheet = _sheet(request, row)
    if "save" in request.POST and sheet.table is not None and _saved(request, caller, row, sheet, sheet.table):
        return HttpResponseRedirect(address_of(row))
    is_told = "save" in request.POST  # saving says that the table is another by now; until then the form remembers
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": f"Routes: {row}",
        "original": row,
        "environment": row.environment,
        "may_change": may_change,
        "is_too_long": len(row.routes) > MOST_ROWS,
        "line": routes_line(row),
        "rest_sentence": REST[row.unmapped],
        "defaults": default_rows(row),
        "scope_choices": [choice for choice in SCOPE_CHOICES if choice.audience == "gateways"],
        "sheet": sheet,
        "seen": _table_digest(row) if is_told else request.POST.get("seen", _table_digest(row)),
        "is_stale": is_told and _is_stale(request, row),
        "confirmation": _digest(sheet.opened),
        "is_confirmed": bool(sheet.opened) and request.POST.get("confirmed") == _digest(sheet.opened),
        **_question(request, row, sheet),
    }
    return TemplateResponse(request, "admin/gateway_routes.html", context)


def routes_panel(_request: HttpRequest, row: Gateway) -> list[Panel]:
    """Return how many rules the gateway has and what happens to the rest, with the way to its routes."""
    return [Panel("Routes", [routes_line(row)], url=address_of(row), url_text="See them, or ask what a path needs")]


def address_of(row: Gateway) -> str:
    """Return the address of a gateway's routes."""
    return reverse("admin:rbac_gateway_routes", args=[quote(row.pk)])


def _sheet(request: HttpRequest, row: Gateway) -> Sheet:
    """Return the forms as stored, as rearranged, or checked when they are to be saved or asked about."""
    sent = request.POST
    if request.method != "POST":
        return Sheet(_forms([*stored_rows(row), EMPTY, EMPTY], row), RestForm(initial={"unmapped": row.unmapped}))
    rows, moved = rearranged(typed_rows(sent), sent)
    if not {"save", "ask"} & set(sent):
        return Sheet(_forms(rows, row), RestForm(initial={"unmapped": sent.get("unmapped", "")}), moved)
    filled = [each for each in rows if not is_empty(each)]
    return _checked(Sheet(_forms([*filled, EMPTY], row, is_checked=True), RestForm(sent)), row)


def _forms(rows: list[Row], row: Gateway, *, is_checked: bool = False) -> list[RuleForm]:
    methods = methods_of(stored_rows(row))
    return [
        RuleForm(typed, number=number, methods=methods, is_checked=is_checked and not is_empty(typed))
        for number, typed in enumerate(rows, start=1)
    ]


def _checked(sheet: Sheet, row: Gateway) -> Sheet:
    """Check every row and the choice for the rest; without a mistake the table is there to be asked or saved."""
    seen: set[tuple[str, str]] = set()
    for form in (each for each in sheet.rules if each.is_bound and each.is_valid()):
        key = (form.cleaned_data["method"], form.cleaned_data["pattern"])
        if key in seen:
            form.add_error("pattern", TWICE)
        seen.add(key)
    bound = [form for form in sheet.rules if form.is_bound]
    if not sheet.rest.is_valid() or not all(form.is_valid() for form in bound):
        return sheet
    rules = [dict(form.cleaned_data) for form in bound]
    sheet.table = Gateway(kind=row.kind, routes=rules, unmapped=sheet.rest.cleaned_data["unmapped"])
    sheet.opened = [" ".join(key) for key in sorted(open_keys(sheet.table) - open_keys(row))]
    return sheet


def _saved(request: HttpRequest, caller: Caller, row: Gateway, sheet: Sheet, table: Gateway) -> bool:
    """Store the checked table; False when the form is to be shown again, saying why."""
    if _is_stale(request, row):
        sheet.rest.add_error(None, CHANGED)
        return False
    if sheet.opened and request.POST.get("confirmed") != _digest(sheet.opened):
        sheet.rest.add_error(None, OPENS)
        return False
    unmapped: Unmapped = "allow" if table.unmapped == "allow" else "deny"
    try:
        set_routes(caller, gateway=row, rules=table.routes, unmapped=unmapped, now=datetime.now(UTC))
    except Problem as problem:
        show_problem(sheet.rest, problem)
        return False
    messages.success(request, f"The routes of {row} are set. {routes_line(row)}")
    return True


def _question(request: HttpRequest, row: Gateway, sheet: Sheet) -> dict[str, Any]:
    """Return the question's form, and the answer from what is typed, or from what is stored where nothing is."""
    sent = request.POST if request.method == "POST" else request.GET
    asks = "ask" in sent and (sent["ask"] != JUST_CHECK or bool(sent.get("asked_path")))
    form = QuestionForm(sent.dict(), is_asked=asks, methods=methods_of(stored_rows(row)))
    table = sheet.table if request.method == "POST" else row
    answer: Answer | None = None
    if asks and form.is_valid() and table is not None:
        answer = explain_match(table, form.cleaned_data["asked_method"], form.cleaned_data["asked_path"])
    is_stored = table is not None and (table.routes, table.unmapped) == (row.routes, row.unmapped)
    return {
        "question": form,
        "answer": answer,
        "is_stored": is_stored,
        "is_wrong": asks and table is None,
        "asks": asks,
    }


def _is_stale(request: HttpRequest, row: Gateway) -> bool:
    """True when the routes are others than those the form was made of."""
    return request.POST.get("seen") != _table_digest(row)


def _table_digest(row: Gateway) -> str:
    return _digest([row.routes, row.unmapped])


def _digest(value: object) -> str:
    """Return what stands for a table or a list that was seen, bound to its very content."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
