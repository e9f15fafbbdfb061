"""The page that takes over one channel's settings of another product: paste, see what they come down to, import."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import add_environment_field, offer, show_problem
from authsvc.tenants.admin_site import caller_in, chosen_place
from authsvc.web.caller import Caller
from authsvc.web.parsing import parse_json
from authsvc.web.problems import Problem
from rbac.admin_pages.forms import grouped
from rbac.channel_lines import lines_of
from rbac.channel_rules import ChannelKind, Effect
from rbac.models import Gateway
from rbac.services.channel_documents import read_channel_document, store_imported_channel
from rbac.services.gateways import get_gateway

SCOPE = "channels:write"
MAXIMUM_DOCUMENT = 256 * 1024


class ChannelImportForm(forms.Form):
    """One channel's settings, as the other product keeps them."""

    channel = forms.ChoiceField(choices=[(item.value, item.value) for item in ChannelKind])
    gateway = forms.ChoiceField(required=False, help_text="One gateway of the environment chosen above, or all of it.")
    document = forms.CharField(
        max_length=MAXIMUM_DOCUMENT,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 80, "spellcheck": "false", "autocomplete": "off"}),
        help_text='JSON, e.g. {"dmPolicy": "allowlist", "allowFrom": ["123"]} or {"allowedUsers": [123456789]}. '
        "It replaces the present policy of the channel.",
    )

    def clean_document(self) -> object:
        """Return the settings."""
        try:
            return parse_json(self.cleaned_data["document"].encode("utf-8", "surrogatepass"))
        except Problem as problem:
            raise forms.ValidationError(problem.detail) from problem


def import_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Preview pasted settings, or take them over."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    if not places:
        raise Http404
    form = ChannelImportForm(request.POST if request.method == "POST" else None)
    chosen = chosen_place(request)
    add_environment_field(form, places, chosen.id if chosen else "")
    offer(form, "gateway", [("", "the whole environment"), *grouped(Gateway, places.values())])
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        place = places[form.cleaned_data["environment"]]
        context["environment"] = place
        try:
            context |= _read(caller_in(request, place), form.cleaned_data, is_preview="import" not in request.POST)
        except Problem as problem:
            show_problem(form, problem)
        else:
            if "import" in request.POST:
                return HttpResponseRedirect(reverse("admin:rbac_channelpolicy_change", args=[context["stored"]]))
    shown = {**page.admin_site.each_context(request), "opts": page.opts, "form": form, "title": "Import", **context}
    return TemplateResponse(request, "admin/import_channel.html", shown)


def _read(caller: Caller, fields: dict[str, Any], *, is_preview: bool) -> dict[str, Any]:
    gateway = get_gateway(caller, fields["gateway"]) if fields["gateway"] else None
    imported = read_channel_document(channel=fields["channel"], document=fields["document"])
    rules = imported.policy.rules
    shown = {
        "policy": imported.policy,
        "allowed": lines_of(rules, Effect.ALLOW),
        "denied": lines_of(rules, Effect.DENY),
        "findings": [(finding.code.value.replace("_", " "), finding.path[:200]) for finding in imported.findings],
    }
    if is_preview:
        return shown
    stored = store_imported_channel(caller, imported=imported, gateway=gateway, now=datetime.now(UTC))
    return {**shown, "stored": stored.pk}
