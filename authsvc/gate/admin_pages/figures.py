"""The front door's drawings on the first page: decisions by the hour, and how fast a change of rights is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, F, Sum, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse

from authsvc.audit.models import DecisionTally, RightsReach
from authsvc.tenants.admin_site import chosen_place, operator_of, remembered, seen_tenant_ids, shows_chart
from authsvc.web.chart import Bar, Chart, Line, Part

HOURS = 24
PROMISED_MILLISECONDS = 1000
BIG = BigIntegerField()


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted: allowed and denied by hour, and the slowest reach of the last changes with its time."""

    hours: Mapping[datetime, tuple[int, int]]
    reach: tuple[datetime, int] | None


@shows_chart
def decisions_by_hour(request: HttpRequest) -> Chart:
    """Draw the decisions of the last day, allowed and denied."""
    found = figures_of(request).hours
    counts = [(hour, *found.get(hour, (0, 0))) for hour in _last_hours()]
    allowed, denied = sum(row[1] for row in counts), sum(row[2] for row in counts)
    audit = reverse("admin:authsvc_auditevent_changelist")
    lines = [
        Line("Denied decisions", str(denied), "bad" if denied else "", f"{audit}?area=decision&since=day"),
        Line("Refused requests", "", "", f"{audit}?area=access&since=day"),
    ]
    return Chart(
        "Decisions of the last 24 hours",
        f"{allowed} allowed, {denied} denied",
        [_bar(*row) for row in counts],
        lines if allowed or denied else (),
        when_empty="Nobody asked for a decision. Connect a gateway: its page has text ready to copy.",
    )


@shows_chart
def reach_of_changes(request: HttpRequest) -> Chart:
    """Say how long the last change of rights, such as a revocation, took to be in force everywhere."""
    reach = figures_of(request).reach
    lines = []
    if reach is not None:
        measured_at, milliseconds = reach
        kind = "good" if milliseconds <= PROMISED_MILLISECONDS else "bad"
        url = reverse("admin:authsvc_auditevent_changelist") + "?since=day"
        lines = [Line("In force on every process after", f"{milliseconds / 1000:.2f} s", kind, url),
                 Line("Measured", f"{measured_at:%Y-%m-%d %H:%M} UTC")]  # fmt: skip
    return Chart(
        "Last revocation or change of rights",
        "At most one second is promised." if lines else "",
        lines=lines,
        when_empty="Nothing was revoked or changed yet.",
    )


def figures_of(request: HttpRequest) -> Figures:
    """Return the figures of the chosen place, else of all the operator sees, read once per request."""
    return remembered(request, "figures", lambda: _read(request))


def _read(request: HttpRequest) -> Figures:
    """Read both tables in one question: their columns are of the same kinds."""
    place, tenant_ids = chosen_place(request), seen_tenant_ids(operator_of(request))
    by_hour, reaches = DecisionTally.objects.filter(hour__gte=_last_hours()[0]), RightsReach.objects.all()
    if place is not None:
        by_hour, reaches = by_hour.filter(environment_id=place.id), reaches.filter(tenant_id=place.tenant_id)
    elif tenant_ids is not None:
        by_hour, reaches = by_hour.filter(tenant_id__in=tenant_ids), reaches.filter(tenant_id__in=tenant_ids)
    summed = by_hour.order_by().annotate(what=Value("hour")).values_list("what", "hour")
    summed = summed.annotate(first=Cast(Sum("allowed"), BIG), second=Cast(Sum("denied"), BIG))
    newest = reaches.annotate(what=Value("reach"), first=F("milliseconds"), second=F("changes"))
    rows: list[Any] = list(summed.union(newest.values_list("what", "measured_at", "first", "second"), all=True))
    measured = [(moment, first) for what, moment, first, _ in rows if what == "reach"]
    hours = {moment: (first, second) for what, moment, first, second in rows if what == "hour"}
    return Figures(hours, max(measured, default=None))


def _last_hours() -> list[datetime]:
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return [this_hour - timedelta(hours=back) for back in reversed(range(HOURS))]


def _bar(hour: datetime, allowed: int, denied: int) -> Bar:
    return Bar(f"{hour:%H}:00 UTC: {allowed} allowed, {denied} denied", (Part(denied, "bad"), Part(allowed)))
