"""Resolution, order and session pins over the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from profiles.candidates import PinSource, Requirement
from profiles.models import ProfileOrder
from profiles.providers import Kind
from profiles.references import parse_model_reference
from profiles.serializers import OrderInput, OrderOutput, ReleaseOutput, ResolveInput
from profiles.services.order import EVERY_AGENT, clear_order, dangling_warnings, set_order
from profiles.services.pins import clear_pin, get_pin, set_pin
from profiles.services.providers import endpoint_of, env_name_of
from profiles.services.resolve import Release, ResolveQuery, expires_at_of, resolve_credential, trace_document
from profiles.usage_serializers import PinInput, PinOutput


class Resolve(ApiView):
    """Which credential serves this request?"""

    required_scopes = {"POST": "credentials:resolve"}
    sensitive = True

    @extend_schema(request=ResolveInput, responses=ReleaseOutput)
    def post(self, request: Request) -> Response:
        """Lease the credential that resolution chooses; the release is audited before it is answered."""
        document = released(self.caller, self.fields(ResolveInput), now=self.now)
        return Response(document, headers={"Cache-Control": "no-store"})


def released(caller: Caller, fields: Mapping[str, Any], *, now: datetime) -> dict[str, object]:
    """Resolve what a valid body asks for, and return the answer's body."""
    reference = parse_model_reference(fields["model"]) if fields["model"] else None
    query = ResolveQuery(
        provider=fields["provider"].lower(),
        agent=fields["agent"],
        session=fields["session"],
        model=reference.model if reference else None,
        pin=fields["pin"] or (reference.profile_id if reference else None),
        require=frozenset(Requirement(text) for text in fields["require"]),
        purpose=fields["purpose"],
        channel=fields["channel"],
        gateway=fields["gateway"],
    )
    return release_document(caller, resolve_credential(caller, query, now=now), fields["view"])


class OrderDetail(ApiView):
    """The explicit order of a provider's profiles; with an agent in the path, that agent's own."""

    required_scopes = {"GET": "profiles:read", "PUT": "profiles:write", "DELETE": "profiles:write"}

    @extend_schema(responses=OrderOutput)
    def get(self, request: Request, provider: str, agent: str = EVERY_AGENT) -> Response:
        """Show the order that is set here."""
        orders = ProfileOrder.objects.for_environment(self.caller).filter(provider=provider.lower(), agent=agent)
        order = orders.first()
        return Response(_document(provider, agent, list(order.profile_keys) if order else None))

    @extend_schema(request=OrderInput, responses=OrderOutput)
    def put(self, request: Request, provider: str, agent: str = EVERY_AGENT) -> Response:
        """Set the order; names without a profile here are left out and listed in ``warnings``."""
        names = self.fields(OrderInput)["profiles"]
        kept, gone = set_order(self.caller, provider=provider.lower(), agent=agent, profile_keys=names, now=self.now)
        return Response({**_document(provider, agent, list(kept)), "warnings": dangling_warnings(gone)})

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, provider: str, agent: str = EVERY_AGENT) -> Response:
        """Clear the order; resolution falls back to the next rule."""
        clear_order(self.caller, provider=provider.lower(), agent=agent, now=self.now)
        return Response(status=204)


class SessionPinDetail(ApiView):
    """The profile a session is tied to."""

    required_scopes = {"GET": "profiles:read", "PUT": "credentials:resolve", "DELETE": "credentials:resolve"}

    @extend_schema(responses=PinOutput)
    def get(self, request: Request, session: str) -> Response:
        """Show the pin."""
        return Response(PinOutput(get_pin(self.caller, session=session)).data)

    @extend_schema(request=PinInput, responses=PinOutput)
    def put(self, request: Request, session: str) -> Response:
        """Pin the session; a person's pin is never switched."""
        fields = self.fields(PinInput)
        pin = set_pin(
            self.caller,
            session=session,
            profile=fields["profile"],
            source=PinSource(fields["source"]),
            agent=fields["agent"],
            now=self.now,
        )
        return Response(PinOutput(pin).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, session: str) -> Response:
        """Clear the pin."""
        clear_pin(self.caller, session=session, now=self.now)
        return Response(status=204)


def release_document(caller: Caller, release: Release, view: str) -> dict[str, object]:
    """Return the answer's body: compact with what was chosen, full with every candidate, who is next, and where to."""
    trace = trace_document(release.resolution)
    left = [line["profile"] for line in trace if line["reason"] == "ok" and line["profile"] != release.profile.key]
    moment = expires_at_of(release.credential)
    document: dict[str, object] = {
        "lease_id": release.lease.id,
        "profile_id": release.profile.id,
        "profile": release.profile.key,
        "version": release.credential.version,
        "provider": release.profile.provider,
        "kind": release.credential.kind,
        "env_name": env_name_of(caller, provider=release.profile.provider, kind=Kind(release.credential.kind)),
        "tenant": caller.tenant,
        "environment": caller.environment,
        "value": release.value.reveal(),
        "expires_at": moment.isoformat() if moment else None,
        "lease_expires_at": release.lease.expires_at.isoformat(),
        "source": "profile",
        "trace": [line for line in trace if line["profile"] == release.profile.key],
    }
    if view != "full":
        return document
    endpoint = endpoint_of(caller, provider=release.profile.provider)
    return {**document, "trace": trace, "next_profile": left[0] if left else None, "endpoint_url": endpoint or None}


def _document(provider: str, agent: str, order: list[str] | None) -> dict[str, object]:
    return {"provider": provider.lower(), "agent": agent or None, "order": order, "warnings": []}
