"""Rejecting many waiting requests at once: how many it hits stands on the page, and that number has to be typed."""

from __future__ import annotations

from datetime import UTC, datetime

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_site import caller_in, holds
from devices.models import Device
from devices.services.inbox import MOST_WAITING, reject_devices
from devices.states import State

SCOPE = "devices:approve"


class BulkRejectForm(forms.Form):
    """Why, and the number of requests as a typed confirmation."""

    reason = forms.CharField(max_length=2000)
    count = forms.IntegerField(label="Type their number")

    def __init__(self, expected: int, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.expected = expected

    def clean_count(self) -> int:
        """Refuse any number but the one on the page."""
        count: int = self.cleaned_data["count"]
        if count != self.expected:
            raise forms.ValidationError(f"{self.expected} requests would be rejected; type {self.expected}.")
        return count


def reject_many(page: HouseAdmin, request: HttpRequest, chosen: QuerySet[Device]) -> TemplateResponse | None:
    """Show what would be rejected; reject it once the number is typed."""
    waiting = chosen.filter(status=State.PENDING).select_related("principal", "environment__tenant")
    rows = [row for row in waiting[:MOST_WAITING] if holds(caller_in(request, row.environment), SCOPE)]
    if not rows:
        messages.warning(request, "None of these waits for a decision.")
        return None
    form = BulkRejectForm(len(rows), request.POST if "count" in request.POST else None)
    if form.is_valid():
        _reject(request, rows, form.cleaned_data["reason"])
        return None
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": f"Reject {len(rows)} request{'' if len(rows) == 1 else 's'}",
        "rows": rows,
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/bulk_reject.html", context)


def _reject(request: HttpRequest, rows: list[Device], reason: str) -> None:
    """Reject the requests of each environment together, as whom the operator is there."""
    now, names = datetime.now(UTC), {row.id: str(row) for row in rows}
    places = {row.environment_id: row.environment for row in rows}
    results = [
        result
        for place in places.values()
        for result in reject_devices(
            caller_in(request, place),
            device_ids=[row.id for row in rows if row.environment_id == place.id],
            reason=reason,
            now=now,
        )
    ]
    for result in results:
        if result.problem is not None:
            messages.error(request, f"{names[result.device_id]}: {result.problem.detail}")
    done = sum(1 for result in results if result.problem is None)
    messages.success(request, f"{done} requests are rejected.")
