"""Reviews over the API: ask, look, approve, reject, withdraw; and which acts of the tenant need one."""

from __future__ import annotations

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate import review_acts  # noqa: F401 - makes the acts known
from authsvc.gate.review_serializers import (
    FourEyesDocument,
    ReviewApprovalInput,
    ReviewInput,
    ReviewOutput,
    ReviewReasonInput,
)
from authsvc.tenants.four_eyes import acts_of, set_four_eyes
from authsvc.tenants.review_models import Review
from authsvc.tenants.reviews import approve_review, get_review, reject_review, request_review, withdraw_review
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.problems import Forbidden

TENANT_WIDE = "prod"


class ReviewFilters(django_filters.FilterSet):
    """``?state=``, ``?act=``."""

    class Meta:
        model = Review
        fields = ["state", "act"]


class ReviewList(ApiView):
    """What waits for a second operator in the caller's environment, and what was decided."""

    required_scopes = {"GET": "reviews:read", "POST": "reviews:write"}
    lists = True
    filterset_class = ReviewFilters

    @extend_schema(responses=ReviewOutput(many=True))
    def get(self, request: Request) -> Response:
        """List reviews, newest first."""
        return self.page(Review.objects.for_environment(self.caller), ReviewOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ReviewInput, responses={201: ReviewOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask for an act; the answer shows what it would change."""
        fields = self.fields(ReviewInput)
        review = request_review(
            self.caller, act=fields["act"], fields=fields["act_fields"], reason=fields["reason"], now=self.now
        )
        return Response(ReviewOutput(review, context={"now": self.now}).data, status=201)


class ReviewDetail(ApiView):
    """One review."""

    required_scopes = {"GET": "reviews:read", "DELETE": "reviews:write"}

    @extend_schema(responses=ReviewOutput)
    def get(self, request: Request, review_id: str) -> Response:
        """Show what it would change, and the digest an approval must carry."""
        return Response(ReviewOutput(get_review(self.caller, review_id), context={"now": self.now}).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, review_id: str) -> Response:
        """Take your own request back."""
        withdraw_review(self.caller, review=get_review(self.caller, review_id), now=self.now)
        return Response(status=204)


class ReviewApproval(ApiView):
    """The second operator's yes."""

    required_scopes = {"POST": "reviews:approve"}
    sensitive = True

    @extend_schema(request=ReviewApprovalInput, responses=ReviewOutput)
    def post(self, request: Request, review_id: str) -> Response:
        """Apply exactly what was asked for and seen; never what you asked for yourself."""
        review = get_review(self.caller, review_id)
        applied = approve_review(self.caller, review=review, **self.fields(ReviewApprovalInput), now=self.now)
        return Response(ReviewOutput(applied, context={"now": self.now}).data)


class ReviewRejection(ApiView):
    """The second operator's no."""

    required_scopes = {"POST": "reviews:approve"}

    @extend_schema(request=ReviewReasonInput, responses=ReviewOutput)
    def post(self, request: Request, review_id: str) -> Response:
        """Refuse a request; nothing changes."""
        review = get_review(self.caller, review_id)
        reason = self.fields(ReviewReasonInput)["reason"]
        rejected = reject_review(self.caller, review=review, reason=reason, now=self.now)
        return Response(ReviewOutput(rejected, context={"now": self.now}).data)


class FourEyes(ApiView):
    """Which acts of the whole tenant need a second operator."""

    required_scopes = {"GET": "reviews:read", "PUT": "authsvc:admin"}

    @extend_schema(responses=FourEyesDocument)
    def get(self, request: Request) -> Response:
        """Show the acts."""
        return Response({"acts": sorted(acts_of(self.caller.tenant_id))})

    @extend_schema(request=FourEyesDocument, responses=FourEyesDocument)
    def put(self, request: Request) -> Response:
        """Set the acts, from prod alone; taking one out needs a review itself."""
        acts = self.fields(FourEyesDocument)["acts"]
        if self.caller.environment != TENANT_WIDE:
            raise Forbidden(f"What holds for the whole tenant is set from {TENANT_WIDE}.")
        return Response({"acts": sorted(set_four_eyes(self.caller, acts=acts, now=self.now))})
