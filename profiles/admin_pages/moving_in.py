"""The import page: paste a foreign credential file, see what would happen, then take it over.

No value is shown back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import add_environment_field, show_problem
from authsvc.tenants.admin_site import caller_in, chosen_place
from authsvc.web.problems import Problem
from authsvc.web.secret_text import SecretText
from profiles.models import DEFAULT_AGENT
from profiles.services.importing import FORMATS, Unlock, import_store, read_store
from profiles.write_ranges import require_write_address

SCOPE = "profiles:write"
MAXIMUM_FILE = 512 * 1024


class ImportForm(forms.Form):
    """The file's text. It has to be pasted again to import it: what was pasted is never sent back."""

    format = forms.ChoiceField(choices=[(name, name) for name in FORMATS])
    agent = forms.CharField(max_length=128, initial=DEFAULT_AGENT)
    passphrase = forms.CharField(
        max_length=1024,
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text="For agtos: the secret the file was sealed under.",
    )
    salt = forms.CharField(max_length=128, required=False, help_text="For agtos: its salt, in hex.")
    content = forms.CharField(
        max_length=MAXIMUM_FILE,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 80, "spellcheck": "false", "autocomplete": "off"}),
        help_text="Preview first: it changes nothing. With scripts the text stays in this field until you leave.",
    )


def import_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Preview a pasted file, or take it over."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    if not places:
        raise Http404
    form = ImportForm(request.POST if request.method == "POST" else None)
    chosen = chosen_place(request)
    add_environment_field(form, places, chosen.id if chosen else "")
    context: dict[str, Any] = {"findings": []}
    if request.method == "POST" and form.is_valid():
        place = places[form.cleaned_data["environment"]]
        context["environment"] = place
        is_preview = "import" not in request.POST
        try:
            context["result"] = found = _imported(caller_in(request, place), form.cleaned_data, is_preview=is_preview)
            context["findings"] = found.findings
        except Problem as problem:
            show_problem(form, problem)
            context["findings"] = problem.extra.get("findings", [])
        else:
            if not is_preview:
                return HttpResponseRedirect(reverse("admin:profiles_profile_changelist"))
    shown = {**page.admin_site.each_context(request), "opts": page.opts, "form": form, "title": "Import", **context}
    response = TemplateResponse(request, "admin/import_profiles.html", shown)
    response.headers["Cache-Control"] = "no-store"
    return response


def _imported(caller: Any, fields: dict[str, Any], *, is_preview: bool) -> Any:
    require_write_address(caller)
    unlock = Unlock(SecretText(fields["passphrase"]), fields["salt"])
    store = read_store(fields["format"], fields["content"], unlock=unlock)
    return import_store(
        caller,
        store,
        format_name=fields["format"],
        agent=fields["agent"],
        dry_run=is_preview,
        now=datetime.now(UTC),
    )
