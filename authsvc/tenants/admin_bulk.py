"""Doing one thing to many rows: how many it hits stands on the page, and that number has to be typed.

Rows of tenants in which the operator lacks the scope are left out before they are counted; each row goes through the
same service call as its own button, and one that is refused says so without stopping the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_site import caller_in, holds
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class BulkAct:
    """What is done to each row: the action's name, the scope it requires, its words, and the service call behind it."""

    name: str
    scope: str
    verb: str  # "Revoke"
    done: str  # "revoked"
    noun: str  # "token"
    warning: str
    perform: Callable[[Caller, Any, str, datetime], object]
    describe: Callable[[Any], str] = str
    impact: Callable[[list[Any]], Mapping[str, object]] = lambda _rows: {}


class BulkForm(forms.Form):
    """Why, and the number of rows as a typed confirmation."""

    reason = forms.CharField(max_length=2000)
    count = forms.IntegerField(label="Type their number")

    def __init__(self, act: BulkAct, expected: int, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.act, self.expected = act, expected

    def clean_count(self) -> int:
        """Refuse any number but the one on the page."""
        count: int = self.cleaned_data["count"]
        if count != self.expected:
            text = f"{counted(self.act, self.expected)} would be {self.act.done}; type {self.expected}."
            raise forms.ValidationError(text)
        return count


def confirm_and_run(
    page: HouseAdmin, request: HttpRequest, chosen: QuerySet[Any], act: BulkAct
) -> TemplateResponse | None:
    """Show what would be hit; do it once the number is typed. ``chosen`` holds only rows the act applies to."""
    rows = [row for row in chosen[:MOST_AT_ONCE] if holds(caller_in(request, row.environment), act.scope)]
    if not rows:
        messages.warning(request, f"None of these can be {act.done}.")
        return None
    form = BulkForm(act, len(rows), request.POST if "count" in request.POST else None)
    if form.is_valid():
        _run(request, rows, act, form.cleaned_data["reason"])
        return None
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": f"{act.verb} {counted(act, len(rows))}",
        "act": act,
        "what": counted(act, len(rows)),
        "impact": act.impact(rows),
        "rows": [(row, act.describe(row)) for row in rows],
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/bulk_confirm.html", context)


def counted(act: BulkAct, number: int) -> str:
    """Return a number of the act's nouns."""
    return f"{number} {act.noun}{'' if number == 1 else 's'}"


def _run(request: HttpRequest, rows: list[Any], act: BulkAct, reason: str) -> None:
    now = datetime.now(UTC)
    done = 0
    for row in rows:
        try:
            act.perform(caller_in(request, row.environment), row, reason, now)
        except Problem as problem:
            messages.error(request, f"{row}: {problem.detail}")
        else:
            done += 1
    messages.success(request, f"{counted(act, done)} {act.done}.")
