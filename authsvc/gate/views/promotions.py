"""Taking another environment over, through the API: read the differences, then take over what was read."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.promotion import plan_promotion, promote
from authsvc.gate.review_serializers import PromotedOutput, PromotionInput, PromotionOutput
from authsvc.web.api import ApiView


class PromotionList(ApiView):
    """What happens to the differences."""

    required_scopes = {"POST": "authsvc:admin"}
    sensitive = True

    @extend_schema(request=PromotionInput, responses=PromotedOutput)
    def post(self, request: Request) -> Response:
        """Take the chosen differences over in one transaction; never a secret, and nothing is deleted."""
        fields = self.fields(PromotionInput)
        keys = fields.get("items")
        count = promote(self.caller, source=fields["source"], items=keys, digest=fields["digest"], now=self.now)
        return Response({"promoted": count})


class PromotionPlan(ApiView):
    """What the caller's environment has differently from another one of its tenant."""

    required_scopes = {"GET": "authsvc:admin"}

    @extend_schema(responses=PromotionOutput)
    def get(self, request: Request, source: str) -> Response:
        """Show the differences that taking ``source`` over would remove here."""
        found = plan_promotion(self.caller, source=source)
        document = {
            "source": found.source,
            "target": self.caller.environment,
            "digest": found.digest(found.plan.items),
            "items": found.plan.items,
            "notes": found.plan.notes,
        }
        return Response(PromotionOutput(document).data)
