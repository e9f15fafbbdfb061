"""Channel policies over the API."""

from __future__ import annotations

from collections.abc import Sequence

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from rbac.channel_formats import Finding
from rbac.channel_rules import ChannelVerdict
from rbac.channel_serializers import (
    ChannelChange,
    ChannelCheckInput,
    ChannelExportOutput,
    ChannelExportQuery,
    ChannelImportInput,
    ChannelImportOutput,
    ChannelInput,
    ChannelOutput,
    ChannelVerdictOutput,
)
from rbac.models import ChannelPolicy, Gateway
from rbac.services.channel_documents import read_channel_document, store_imported_channel, write_channel_document
from rbac.services.channels import (
    check_channel,
    create_channel,
    delete_channel,
    get_channel,
    sender_of,
    stored_rule,
    update_channel,
)
from rbac.services.gateways import get_gateway


class ChannelList(ApiView):
    """The channel policies of the caller's environment."""

    required_scopes = {"GET": "channels:read", "POST": "channels:write"}
    lists = True

    @extend_schema(responses=ChannelOutput(many=True))
    def get(self, request: Request) -> Response:
        """List channel policies, newest first."""
        return self.page(ChannelPolicy.objects.for_environment(self.caller), ChannelOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ChannelInput, responses={201: ChannelOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Create the policy of a channel; everybody it does not allow is refused."""
        fields = self.fields(ChannelInput)
        gateway = _gateway(self, fields.pop("gateway_id", None))
        policy = create_channel(self.caller, gateway=gateway, **fields, now=self.now)
        return Response(ChannelOutput(policy).data, status=201)


class ChannelDetail(ApiView):
    """One channel policy."""

    required_scopes = {"GET": "channels:read", "PATCH": "channels:write", "DELETE": "channels:write"}

    @extend_schema(responses=ChannelOutput)
    def get(self, request: Request, channel_id: str) -> Response:
        """Show a policy."""
        return Response(ChannelOutput(get_channel(self.caller, channel_id)).data)

    @extend_schema(request=ChannelChange, responses=ChannelOutput)
    def patch(self, request: Request, channel_id: str) -> Response:
        """Change a policy; rules are replaced as a whole."""
        policy = get_channel(self.caller, channel_id)
        changed = update_channel(self.caller, policy=policy, **self.fields(ChannelChange), now=self.now)
        return Response(ChannelOutput(changed).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, channel_id: str) -> Response:
        """Delete a policy; its channel is closed afterwards."""
        delete_channel(self.caller, policy=get_channel(self.caller, channel_id), now=self.now)
        return Response(status=204)


class ChannelCheck(ApiView):
    """May this sender speak?"""

    required_scopes = {"POST": "decisions:make"}

    @extend_schema(request=ChannelCheckInput, responses=ChannelVerdictOutput)
    def post(self, request: Request) -> Response:
        """Decide with the policy of the channel; an unknown channel is refused."""
        fields = self.fields(ChannelCheckInput)
        gateway = _gateway(self, fields.get("gateway_id"))
        verdict = check_channel(self.caller, channel=fields["channel"], gateway=gateway, sender=sender_of(fields))
        return Response(verdict_document(verdict))


class ChannelImport(ApiView):
    """Takes over the settings of another product."""

    required_scopes = {"POST": "channels:write"}

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ChannelImportInput, responses=ChannelImportOutput)
    @idempotent
    def post(self, request: Request) -> Response:
        """Read one channel's settings; with ``dry_run`` nothing is stored. What was left out is named."""
        fields = self.fields(ChannelImportInput)
        gateway = _gateway(self, fields.get("gateway_id"))
        imported = read_channel_document(channel=fields["channel"], document=fields["document"])
        stored = None
        if not fields["dry_run"]:
            stored = store_imported_channel(self.caller, imported=imported, gateway=gateway, now=self.now)
        value = imported.policy
        document = {
            "channel_id": stored.id if stored else None,
            "dm_policy": value.direct_policy.value,
            "group_policy": value.group_policy.value,
            "group_gate": value.group_gate.value,
            "rules": [stored_rule(rule) for rule in value.rules],
            "findings": finding_documents(imported.findings),
        }
        return Response(document)


class ChannelExport(ApiView):
    """Writes a policy as the settings of another product."""

    required_scopes = {"GET": "channels:read"}

    @extend_schema(parameters=[ChannelExportQuery], responses=ChannelExportOutput)
    def get(self, request: Request, channel_id: str) -> Response:
        """Show the settings ``?product=`` reads; they never let in anybody the policy keeps out."""
        query = ChannelExportQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        product = query.validated_data["product"]
        exported = write_channel_document(get_channel(self.caller, channel_id), product=product)
        findings = finding_documents(exported.findings)
        return Response({"product": product, "document": exported.document, "findings": findings})


def finding_documents(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as they are shown."""
    return [{"code": finding.code.value, "path": finding.path[:200]} for finding in findings]


def verdict_document(verdict: ChannelVerdict) -> dict[str, object]:
    """Return the answer's body."""
    matched = stored_rule(verdict.rule) if verdict.rule else None
    return {"allowed": verdict.allowed, "reason": str(verdict.reason), "matched_rule": matched}


def _gateway(view: ApiView, gateway_id: str | None) -> Gateway | None:
    return get_gateway(view.caller, gateway_id) if gateway_id else None
