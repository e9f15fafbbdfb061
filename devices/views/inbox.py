"""The inbox over the API: what waits, the riskiest first, and rejecting several requests at once."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from devices.inbox_serializers import (
    InboxOutput,
    RejectionsInput,
    RejectionsOutput,
    rejections_document,
    waiting_document,
)
from devices.services.inbox import reject_devices, waiting_requests


class DeviceInbox(ApiView):
    """The requests that wait for a decision."""

    required_scopes = {"GET": "devices:read"}

    @extend_schema(responses=InboxOutput)
    def get(self, request: Request) -> Response:
        """List what waits, the riskiest first, with the reasons and what differs from a device known before."""
        return Response({"results": [waiting_document(*row) for row in waiting_requests(self.caller)]})


class DeviceRejections(ApiView):
    """Rejecting several requests."""

    required_scopes = {"POST": "devices:approve"}

    @extend_schema(request=RejectionsInput, responses=RejectionsOutput)
    def post(self, request: Request) -> Response:
        """Reject each of the named requests; one that cannot be rejected says why and stops no other."""
        fields = self.fields(RejectionsInput)
        results = reject_devices(self.caller, device_ids=fields["ids"], reason=fields["reason"], now=self.now)
        return Response(rejections_document(results))
