"""The page that compares two environments of a tenant, and takes the chosen differences over as they were shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.gate.promotion import PROTECTED, SCOPE, Promotion, plan_promotion, promote
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import offer, show_problem
from authsvc.tenants.admin_site import caller_in, chosen_place
from authsvc.tenants.four_eyes import Act, ReviewRequired, acts_of
from authsvc.tenants.models import Environment
from authsvc.tenants.reviews import request_instead
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem


class PromotionForm(forms.Form):
    """Into which environment, and from which other one of the same tenant."""

    environment = forms.ChoiceField(label="Into")
    source = forms.SlugField(max_length=63, label="From", initial="dev", help_text="Another environment of the tenant.")
    reason = forms.CharField(max_length=2000, required=False, help_text="Goes to the second operator and the audit.")


def promotion_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the differences; a POST takes the ticked ones over, or asks a second operator to."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    if not places:
        raise Http404
    asked = request.POST if request.method == "POST" else request.GET
    form = PromotionForm(asked if "source" in asked else None, initial={"environment": _proposed(request, places)})
    offer(form, "environment", [(key, str(row)) for key, row in places.items()])
    context: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        place = places[form.cleaned_data["environment"]]
        context["environment"] = place
        try:
            done = _handled(request, form, caller_in(request, place), context)
        except Problem as problem:
            show_problem(form, problem)
        else:
            if done is not None:
                return done
    shown = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "form": form,
        "title": "Take over from another environment",
        **context,
    }
    return TemplateResponse(request, "admin/promotion.html", shown)


def _handled(request: HttpRequest, form: PromotionForm, caller: Caller, context: dict[str, Any]) -> HttpResponse | None:
    promotion = plan_promotion(caller, source=form.cleaned_data["source"])
    keys = request.POST.getlist("item") if request.method == "POST" else None
    context |= _shown(caller, promotion, keys)
    if request.method != "POST" or "compare" in request.POST:
        return None
    now = datetime.now(UTC)
    seen = request.POST.get("seen", "")
    digest = _digest_of_chosen(promotion, seen, keys or [])
    try:
        count = promote(caller, source=promotion.source, items=keys or [], digest=digest, now=now)
    except ReviewRequired as refused:
        review = request_instead(refused, reason=form.cleaned_data["reason"], now=now)
        messages.success(request, "A second operator was asked; nothing has changed yet.")
        return HttpResponseRedirect(reverse("admin:authsvc_review_change", args=[quote(review.pk)]))
    messages.success(request, f"{count} differences were taken over into {context['environment']}.")
    return HttpResponseRedirect(reverse("admin:authsvc_review_promote"))


def _digest_of_chosen(promotion: Promotion, seen: str, keys: list[str]) -> str:
    """Return the digest of the ticked items, if the whole plan is still the one that was shown."""
    if seen != promotion.digest(promotion.plan.items):
        return ""  # refused as stale, whatever is ticked
    return promotion.digest(promotion.plan.chosen(keys))


def _shown(caller: Caller, promotion: Promotion, keys: list[str] | None) -> dict[str, Any]:
    items = [(item, item.line(), keys is None or item.key in keys) for item in promotion.plan.items]
    return {
        "items": items,
        "notes": promotion.plan.notes,
        "seen": promotion.digest(promotion.plan.items),
        "needs_second": Act.PROMOTION in acts_of(caller.tenant_id),
        "source_name": promotion.source,
    }


def _proposed(request: HttpRequest, places: dict[str, Environment]) -> str:
    """Propose the chosen environment unless one takes from it; else the first protected one."""
    chosen = chosen_place(request)
    if chosen is not None and chosen.id in places and chosen.name == PROTECTED:
        return chosen.id
    tenant_id = chosen.tenant_id if chosen else next(iter(places.values())).tenant_id
    found = (row.id for row in places.values() if row.tenant_id == tenant_id and row.name == PROTECTED)
    return next(found, next(iter(places)))
