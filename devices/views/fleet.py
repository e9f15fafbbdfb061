"""Fleets over the API: enrolment codes, joining with one, and the environment's own rules for its devices."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent, idempotent_for
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from authsvc.web.scope_rules import PROOF_IN_BODY
from devices.models import DevicePolicy, EnrolmentCode
from devices.serializers import (
    EnrolledOutput,
    EnrolmentCodeInput,
    EnrolmentCodeOutput,
    FleetDeviceInput,
    IssuedEnrolmentCodeOutput,
    PolicyInput,
    PolicyOutput,
)
from devices.services.enrolment_codes import (
    create_enrolment_code,
    enrol_with_code,
    get_enrolment_code,
    holder_of_code,
    revoke_enrolment_code,
)
from devices.services.policy import find_policy, set_policy
from devices.views.devices import enrolled_response, identity_of
from rbac.services.gateways import get_gateway


class EnrolmentCodeList(ApiView):
    """The enrolment codes of the caller's environment."""

    required_scopes = {"GET": "devices:read", "POST": "devices:approve"}
    lists = True
    sensitive = True

    @extend_schema(responses=EnrolmentCodeOutput(many=True))
    def get(self, request: Request) -> Response:
        """List enrolment codes, newest first."""
        return self.page(EnrolmentCode.objects.for_environment(self.caller), EnrolmentCodeOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=EnrolmentCodeInput, responses={201: IssuedEnrolmentCodeOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make an enrolment code; its text is shown this once."""
        fields = self.fields(EnrolmentCodeInput)
        gateway_id = fields.pop("gateway_id", None)
        gateway = get_gateway(self.caller, gateway_id) if gateway_id else None
        issued = create_enrolment_code(self.caller, gateway=gateway, **fields, now=self.now)
        document = {**EnrolmentCodeOutput(issued.row).data, "code": issued.code.reveal()}
        return Response(document, status=201, headers={"Cache-Control": "no-store"})


class EnrolmentCodeDetail(ApiView):
    """One enrolment code."""

    required_scopes = {"GET": "devices:read", "DELETE": "devices:approve"}

    @extend_schema(responses=EnrolmentCodeOutput)
    def get(self, request: Request, code_id: str) -> Response:
        """Show an enrolment code."""
        return Response(EnrolmentCodeOutput(get_enrolment_code(self.caller, code_id)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, code_id: str) -> Response:
        """Revoke an enrolment code; devices that joined with it stay."""
        revoke_enrolment_code(self.caller, row=get_enrolment_code(self.caller, code_id), now=self.now)
        return Response(status=204)


def _holder(view: ApiView, request: Request) -> Caller:
    return holder_of_code(
        view.fields(FleetDeviceInput)["enrolment_code"],
        address=client_address(request._request),
        request_id=request_id_of(request._request),
        now=view.now,
    )


class FleetEnrolment(ApiView):
    """Joining with an enrolment code, without a bearer: the code is the proof."""

    required_scopes = {"POST": PROOF_IN_BODY}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=FleetDeviceInput, responses={201: EnrolledOutput})
    @idempotent_for(_holder)
    def post(self, request: Request) -> Response:
        """Enrol a device that is active at once; any bad code is the same 401."""
        fields = self.fields(FleetDeviceInput)
        code = fields.pop("enrolment_code")
        fields.pop("gateway_id", None), fields.pop("replaces", None)
        identity = identity_of(fields, request)
        enrolment = enrol_with_code(
            code,
            identity=identity,
            address=client_address(request._request),
            request_id=request_id_of(request._request),
            fields=fields,
            now=self.now,
        )
        return enrolled_response(enrolment)


class DeviceRules(ApiView):
    """What the caller's environment decides about its devices."""

    required_scopes = {"GET": "devices:read", "PATCH": "authsvc:admin"}

    @extend_schema(responses=PolicyOutput)
    def get(self, request: Request) -> Response:
        """Show the rules."""
        return Response(PolicyOutput(find_policy(self.caller) or DevicePolicy()).data)

    @extend_schema(request=PolicyInput, responses=PolicyOutput)
    def patch(self, request: Request) -> Response:
        """Change the named rules."""
        return Response(PolicyOutput(set_policy(self.caller, changes=self.fields(PolicyInput), now=self.now)).data)
