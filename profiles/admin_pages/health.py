"""The status page: the same document as ``GET /status`` and ``models status``, for people; writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import add_environment_field
from authsvc.tenants.admin_site import READS, caller_in, chosen_place
from profiles.durations import MALFORMED, parse_duration_ms
from profiles.models import DEFAULT_AGENT, STRATEGY_CHOICES
from profiles.references import Strategy
from profiles.services.status import StatusQuery, status_document

SCOPE = "status:read"
VERDICTS = {0: "Every credential is fine.", 1: "A credential is expired or missing.", 2: "A credential ends soon."}


class StatusForm(forms.Form):
    """Whose status, and how strictly."""

    agent = forms.CharField(max_length=128, initial=DEFAULT_AGENT, required=False)
    compat = forms.ChoiceField(choices=STRATEGY_CHOICES, initial=Strategy.CLASSIC.value, required=False)
    warn_after = forms.CharField(max_length=20, required=False, help_text="A number with s, m, h or d; empty: as set.")

    def clean_warn_after(self) -> int | None:
        """Return milliseconds, or ``None`` for the windows that are set."""
        text = self.cleaned_data["warn_after"]
        milliseconds = parse_duration_ms(text, default_unit="s") if text else None
        if text and milliseconds is None:
            raise forms.ValidationError(MALFORMED)
        return milliseconds


def status_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show how an environment's credentials stand."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    if not places or request.method not in READS:
        raise Http404
    form = StatusForm(request.GET if "environment" in request.GET else None)
    chosen = chosen_place(request)
    add_environment_field(form, places, chosen.id if chosen else "")
    context: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        fields = form.cleaned_data
        query = StatusQuery(
            agent=fields["agent"] or DEFAULT_AGENT,
            warn_after_ms=fields["warn_after"],
            compat=Strategy(fields["compat"] or Strategy.CLASSIC.value),
        )
        context = _shown(status_document(caller_in(request, places[fields["environment"]]), query, now=_now()))
    shown = {**page.admin_site.each_context(request), "opts": page.opts, "form": form, "title": "Status", **context}
    return TemplateResponse(request, "admin/credential_status.html", shown)


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    auth, check = document["auth"], int(document["check"])
    lines = [{**line, "ends": _moment(line["expiresAt"])} for line in auth["oauth"]["profiles"]]
    resting = [{**line, "ends": _moment(line["until"])} for line in auth["unusableProfiles"]]
    return {"status": document, "verdict": VERDICTS[check], "is_fine": check == 0, "lines": lines, "resting": resting}


def _moment(milliseconds: int | None) -> datetime | None:
    """Return a moment a calendar can hold, else ``None``."""
    if milliseconds is None or not 0 < milliseconds < 253_402_300_800_000:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _now() -> datetime:
    return datetime.now(UTC)
