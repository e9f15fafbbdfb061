"""Admin pages of reviews: what waits for a second operator, as a diff, with approve, reject and withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from authsvc.gate import review_acts  # noqa: F401 - makes the acts known
from authsvc.gate.admin_pages.promotion import promotion_page
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, in_sight, operator_of
from authsvc.tenants.four_eyes import SENTENCES, Act
from authsvc.tenants.models import Environment, Operator
from authsvc.tenants.review_models import Review, ReviewState
from authsvc.tenants.reviews import approve_review, lines_of, reject_review, withdraw_review
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import ReasonForm


class ReviewApprovalForm(ReasonForm):
    """The approval of exactly what this page shows."""

    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)


class StandingFilter(admin.SimpleListFilter):
    """Filters by state; what waited too long is its own."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every state."""
        return [*((state.value, state.value) for state in ReviewState), ("expired", "expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the reviews of the chosen state."""
        match self.value():
            case None:
                return queryset
            case "expired":
                return queryset.filter(state=ReviewState.WAITING, expires_at__lte=timezone.now())
            case ReviewState.WAITING:
                return waiting(queryset)
            case state:
                return queryset.filter(state=state)


def waiting(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the reviews somebody can still decide about."""
    return rows.filter(state=ReviewState.WAITING, expires_at__gt=timezone.now())


@calls_for_attention
def waiting_reviews(operator: Operator, place: Environment | None) -> Attention:
    """Return how many requests of others wait for this operator."""
    rows = in_sight(waiting(Review.unscoped.exclude(requested_by=operator.id)), operator, place)
    url = reverse("admin:authsvc_review_changelist") + "?state=waiting"
    return Attention(rows, "requests wait for a second operator", url, "Nothing waits for a second operator.")


def _is_open(row: Review) -> bool:
    return row.standing(timezone.now()) == ReviewState.WAITING


@admin.register(Review)
class ReviewAdmin(HouseAdmin):
    """Acts that one operator asked for and another decides about."""

    when_empty = "Nobody asked for a second operator. A tenant chooses on its page which acts need one."
    list_display = ("act", "standing", "where", "asked_by", "reason", "created_at", "decided_at")
    list_filter = (PlaceFilter, StandingFilter, "act")
    search_fields = ("id", "requested_by", "=digest")
    list_select_related = ("environment__tenant",)
    fields = (
        "id",
        "what",
        "standing",
        "environment",
        "asked_by",
        "reason",
        "created_at",
        "expires_at",
        "decider",
        "decided_at",
        "decision_reason",
        "digest",
    )
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        """Add the page that compares two environments and takes one over."""
        page = path("promote/", self.admin_site.admin_view(self.promotion_view), name="authsvc_review_promote")
        return [page, *super().get_urls()]

    def promotion_view(self, request: HttpRequest) -> HttpResponse:
        """Show what another environment has differently, and take it over."""
        return promotion_page(self, request)

    @admin.display(description="state")
    def standing(self, row: Review) -> str:
        """Return the state, expired included."""
        return row.standing(datetime.now(UTC))

    @admin.display(description="what is asked for")
    def what(self, row: Review) -> str:
        """Return the act as a sentence."""
        return SENTENCES[Act(row.act)]

    @admin.display(description="asked by", ordering="requested_by")
    def asked_by(self, row: Review) -> str:
        """Return who asked, by name where it is an operator."""
        return _name(row.requested_by)

    @admin.display(description="decided by")
    def decider(self, row: Review) -> str:
        """Return who decided."""
        return _name(row.decided_by)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Show what would change, and whose request it is."""
        return {"review_lines": lines_of(row), "is_own_request": _is_own(request, row)}

    def action_context(self, request: HttpRequest, action: ServiceAction, row: Any) -> dict[str, Any]:
        """Show what the decision is about beside its form."""
        return self.row_context(request, row)

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Bind an approval to what this page shows."""
        return {"digest": row.digest}

    def describe(self, row: Any) -> Mapping[str, str]:
        """Return what an approver reads first."""
        return {
            "What": self.what(row),
            "Environment": str(row.environment),
            "Asked by": self.asked_by(row),
            "Asked": f"{row.created_at:%Y-%m-%d %H:%M} UTC",
            "Ends": f"{row.expires_at:%Y-%m-%d %H:%M} UTC",
            "Reason": row.reason,
        }

    @staticmethod
    def _approve(caller: Caller, row: Review, fields: Fields, now: datetime) -> str:
        approve_review(caller, review=row, digest=fields["digest"], reason=fields["reason"], now=now)
        return "Approved and applied."

    @staticmethod
    def _reject(caller: Caller, row: Review, fields: Fields, now: datetime) -> str:
        reject_review(caller, review=row, reason=fields["reason"], now=now)
        return "Rejected; nothing changed."

    @staticmethod
    def _withdraw(caller: Caller, row: Review, fields: Fields, now: datetime) -> str:
        withdraw_review(caller, review=row, reason=fields["reason"], now=now)
        return "Withdrawn; nothing changed."

    service_actions = (
        ServiceAction(
            "approve",
            "Approve",
            "reviews:approve",
            ReviewApprovalForm,
            _approve,
            applies=_is_open,
            template="admin/review.html",
        ),
        ServiceAction(
            "reject",
            "Reject",
            "reviews:approve",
            ReasonForm,
            _reject,
            is_dangerous=True,
            applies=_is_open,
            template="admin/review.html",
        ),
        ServiceAction("withdraw", "Withdraw", "reviews:write", ReasonForm, _withdraw, applies=_is_open),
    )


def _is_own(request: HttpRequest, row: Review) -> bool:
    return row.requested_by == operator_of(request).id


def _name(actor_id: str) -> str:
    operator = Operator.objects.filter(id=actor_id).first() if actor_id else None
    return operator.username if operator else actor_id
