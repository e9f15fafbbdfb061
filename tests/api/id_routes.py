"""Every API route with an id in its path, by method: a body that its owner's request needs, and what must be first.

A test compares this table with the URL resolver, so a new route is missing here until somebody adds it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authsvc.tenants.models import Membership, Operator
from authsvc.tenants.review_models import Review
from authsvc.tenants.reviews import request_review
from authsvc.tokens.models import ApiKey, IssuedToken, SigningKey
from devices.models import Device
from devices.proof import PayloadVersion, SignedParameters, device_id_of, encode_canonical, payload
from rbac.models import ChannelPolicy
from tests.world import Place

Ids = dict[str, str]
Prepare = Callable[[Place], Ids]


def nothing(_place: Place) -> Ids:
    """The demo's rows are enough."""
    return {}


def gateway_token(place: Place) -> Ids:
    """Name the demo's gateway token."""
    keys = ApiKey.objects.for_environment(place.caller()).filter(principal_id=place.gateway["id"])
    return {"key_id": keys.get().id}


def issued_token(place: Place) -> Ids:
    """Issue an access token."""
    place.access_token()
    return {"jti": IssuedToken.objects.for_environment(place.caller()).latest("created_at").id}


def pending_device(place: Place) -> Ids:
    """Name the device that waits for approval."""
    return {"device_id": str(place.pending_device["id"])}


def suspended_device(place: Place) -> Ids:
    """Suspend the demo's device."""
    Device.objects.for_environment(place.caller()).filter(id=place.ids["device"]).update(status="suspended")
    return {}


def closed_probe_address(place: Place) -> Ids:
    """Say where credentials of the demo's provider are tried: a port of this machine where nobody listens."""
    place.api().send("PUT", "/providers/anthropic", {"probe_url": "http://127.0.0.1:9/models"})
    return {}


def free_role(place: Place) -> Ids:
    """Create a role that nobody is granted."""
    made = place.api().post("/roles", {"name": f"free {datetime.now(UTC).timestamp()}", "scopes": ["audit:read"]})
    return {"role_id": made.json()["id"]}


def signing_key(place: Place) -> Ids:
    """Name a signing key."""
    return {"key_id": SigningKey.objects.for_environment(place.caller()).latest("created_at").id}


def waiting_review(place: Place) -> Ids:
    """Name a review that somebody else asked for, asked once."""
    known = Review.objects.for_environment(place.caller()).filter(state="waiting", requested_by="system").first()
    fields = {"acts": ["trust"]}
    asked = known or request_review(place.caller(), act="relaxation", fields=fields, now=datetime.now(UTC))
    return {"review_id": asked.id}


def own_review(place: Place) -> Ids:
    """Ask for a review over the API."""
    made = place.api().post("/reviews", {"act": "relaxation", "fields": {"acts": ["trust"]}})
    return {"review_id": made.json()["id"]}


def own_scope(place: Place) -> Ids:
    """Define a scope of the environment's own."""
    return {"scope_id": place.api().post("/scopes", {"scope": "lamps:read", "sentence": "See lamps."}).json()["id"]}


def enrolment_code(place: Place) -> Ids:
    """Make an enrolment code."""
    return {"code_id": place.api().post("/devices/enrolment-codes", {"name": "n"}).json()["id"]}


def pairing_channel(place: Place) -> Ids:
    """Name the channel that pairs, made once."""
    known = ChannelPolicy.objects.for_environment(place.caller()).filter(channel="whatsapp").first()
    if known is None:
        made = place.api().post("/channels", {"channel": "whatsapp", "dm_policy": "pairing"})
        return {"channel_id": made.json()["id"]}
    return {"channel_id": known.id}


def waiting_pairing(place: Place) -> Ids:
    """Let a sender wait in the channel that pairs."""
    channel = pairing_channel(place)
    made = place.api().post(f"/channels/{channel['channel_id']}/pairing", {"sender": 492, "name": "Kim"})
    return {**channel, "pairing_id": made.json()["id"]}


def keyed_device(place: Place) -> Ids:
    """Name the device that has a key, enrolled and approved once."""
    raw = KEY.public_key().public_bytes_raw()
    known = Device.objects.for_environment(place.caller()).filter(key_fingerprint=device_id_of(raw)).first()
    if known is not None:
        return {"device_id": known.id}
    body = {"name": "claw", "device_type": "cli", "public_key": encode_canonical(raw), "role": "operator"}
    made = place.api().post("/devices", body).json()
    seen = {"user_code": made["user_code"], "snapshot": made["snapshot"]}
    place.api().post(f"/devices/{made['id']}/approve", seen)
    return {"device_id": made["id"]}


def member(place: Place) -> Ids:
    """Make somebody an approver of the tenant."""
    tenant = place.environment().tenant
    operator, _ = Operator.objects.get_or_create(username=f"kim-{tenant.slug}")
    Membership.objects.for_tenant(tenant.id).filter(operator=operator).delete()
    Membership(operator=operator, tenant=tenant, role="approver").save()
    return {"operator_id": operator.id}


def invitation(place: Place) -> Ids:
    """Invite somebody into the tenant."""
    return {"invitation_id": place.api().post("/invitations", {"invited": "kim", "role": "auditor"}).json()["id"]}


@dataclass(frozen=True)
class Case:
    """One method of one route; ``owner`` is what its owner is answered."""

    method: str
    route: str
    body: dict[str, Any] | Callable[[Place], dict[str, Any]] | None = None
    owner: int = 200
    prepare: Prepare = field(default=nothing)
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    def body_for(self, place: Place) -> dict[str, Any] | None:
        """Return the body the owner would send."""
        return self.body(place) if callable(self.body) else self.body

    def ids(self, place: Place) -> Ids:
        """Return the ids of the path that exist in ``place``, after making what is needed."""
        ids = place.ids
        return {
            "role_id": ids["role"],
            "grant_id": ids["grant"],
            "account_id": ids["service_account"],
            "key_id": ids["api_key"],
            "gateway_id": ids["gateway"],
            "channel_id": ids["channel"],
            "device_id": ids["device"],
            "profile_id": ids["profile"],
            "credential_id": ids["credential"],
            "jti": "",
            **self.prepare(place),
        }

    def path(self, ids: Ids) -> str:
        """Return the path with these ids."""
        path = self.route
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
        return path + self.query


def _approval(place: Place) -> dict[str, Any]:
    return {"user_code": place.pending_device["user_code"]}


def _seen_review(place: Place) -> dict[str, Any]:
    review_id = waiting_review(place)["review_id"]
    return {"digest": Review.objects.for_environment(place.caller()).get(id=review_id).digest}


def _device_secret(place: Place) -> dict[str, Any]:
    return {"secret": place.device["secret"]}


def _signature(place: Place) -> dict[str, Any]:
    nonce = place.api().post(f"/devices/{keyed_device(place)['device_id']}/challenge").json()["nonce"]
    signed = SignedParameters(
        device_id=device_id_of(KEY.public_key().public_bytes_raw()),
        client_id="cli",
        client_mode="cli",
        role="operator",
        scopes=(),
        signed_at_ms=int(time.time() * 1000),
        token=None,
        nonce=nonce,
        platform="",
        device_family="",
    )
    signature = KEY.sign(payload(PayloadVersion("v3"), signed).encode())
    fields = {"version": "v3", "nonce": nonce, "signed_at": signed.signed_at_ms, "client_id": "cli"}
    return {**fields, "client_mode": "cli", "role": "operator", "signature": encode_canonical(signature)}


def _pairing_code(place: Place) -> dict[str, Any]:
    path = f"/channels/{pairing_channel(place)['channel_id']}/pairing"
    return {"code": place.api().post(path, {"sender": 491, "name": "Kim"}).json()["code"]}


KEY = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
SECRET = {"kind": "api_key", "value": "sk-ant-api03-" + "n" * 80}
HEX_TOKEN = hashlib.sha256(b"made elsewhere").hexdigest()
KEYS = "/service-accounts/{account_id}/keys"
TOKENS = "/gateways/{gateway_id}/tokens"
PAIRING = "/channels/{channel_id}/pairing"
RULE = {"method": "GET", "pattern": "/lamps", "scopes": ["agents:read"], "minimum_trust": 0}
CREDENTIALS = "/profiles/{profile_id}/credentials"

CASES = (
    Case("GET", "/tokens/{jti}", prepare=issued_token),
    Case("DELETE", "/tokens/{jti}", owner=204, prepare=issued_token),
    Case("GET", "/members/{operator_id}", prepare=member),
    Case("PATCH", "/members/{operator_id}", {"role": "auditor"}, prepare=member),
    Case("DELETE", "/members/{operator_id}", owner=204, prepare=member),
    Case("POST", "/members/{operator_id}/sign-out", prepare=member),
    Case("GET", "/invitations/{invitation_id}", prepare=invitation),
    Case("DELETE", "/invitations/{invitation_id}", owner=204, prepare=invitation),
    Case("POST", "/keys/{key_id}/retire", {"reason": "leaked"}, prepare=signing_key),
    Case("GET", "/reviews/{review_id}", prepare=waiting_review),
    Case("DELETE", "/reviews/{review_id}", owner=204, prepare=own_review),
    Case("POST", "/reviews/{review_id}/approve", _seen_review, prepare=waiting_review),
    Case("POST", "/reviews/{review_id}/reject", {"reason": "no"}, prepare=waiting_review),
    Case("DELETE", "/scopes/{scope_id}", owner=204, prepare=own_scope),
    Case("GET", "/roles/{role_id}"),
    Case("PATCH", "/roles/{role_id}", {"description": "new"}),
    Case("DELETE", "/roles/{role_id}", owner=204, prepare=free_role),
    Case("GET", "/grants/{grant_id}"),
    Case("DELETE", "/grants/{grant_id}", {}, owner=204),
    Case("GET", "/service-accounts/{account_id}"),
    Case("PATCH", "/service-accounts/{account_id}", {"description": "new"}),
    Case("DELETE", "/service-accounts/{account_id}", owner=204),
    Case("GET", KEYS),
    Case("POST", KEYS, {"name": "new"}, owner=201),
    Case("GET", KEYS + "/{key_id}"),
    Case("DELETE", KEYS + "/{key_id}", {}, owner=204),
    Case("POST", KEYS + "/{key_id}/rotate", {}),
    Case("POST", KEYS + "/{key_id}/never-expire", {"reason": "on paper in a safe"}),
    Case("GET", "/gateways/{gateway_id}"),
    Case("PATCH", "/gateways/{gateway_id}", {"name": "new"}),
    Case("DELETE", "/gateways/{gateway_id}", owner=204),
    Case("GET", TOKENS),
    Case("POST", TOKENS, {"name": "new"}, owner=201),
    Case("POST", TOKENS + "/import", {"token": HEX_TOKEN}, owner=201),
    Case("GET", TOKENS + "/{key_id}", prepare=gateway_token),
    Case("DELETE", TOKENS + "/{key_id}", {}, owner=204, prepare=gateway_token),
    Case("POST", TOKENS + "/{key_id}/rotate", {}, prepare=gateway_token),
    Case("GET", "/gateways/{gateway_id}/snippets"),
    Case("GET", "/gateways/{gateway_id}/routes"),
    Case("PUT", "/gateways/{gateway_id}/routes", {"rules": [RULE]}),
    Case("POST", "/gateways/{gateway_id}/jwks-acknowledgement", {"kids": ["one"]}),
    # Shared secrets are for development, and this place is prod.
    Case("POST", "/gateways/{gateway_id}/shared-secret", owner=409),
    Case("GET", "/channels/{channel_id}/export", query="?product=openclaw"),
    Case("GET", PAIRING, prepare=pairing_channel),
    Case("POST", PAIRING, {"sender": 493, "name": "Kim"}, owner=201, prepare=pairing_channel),
    Case("POST", PAIRING + "/approve", _pairing_code, prepare=pairing_channel),
    Case("DELETE", PAIRING + "/{pairing_id}", owner=204, prepare=waiting_pairing),
    Case("GET", "/devices/enrolment-codes/{code_id}", prepare=enrolment_code),
    Case("DELETE", "/devices/enrolment-codes/{code_id}", owner=204, prepare=enrolment_code),
    Case("GET", "/channels/{channel_id}"),
    Case("PATCH", "/channels/{channel_id}", {"name": "new"}),
    Case("DELETE", "/channels/{channel_id}", owner=204),
    Case("GET", "/devices/{device_id}"),
    Case("PATCH", "/devices/{device_id}", {"name": "new"}),
    Case("DELETE", "/devices/{device_id}", owner=204),
    Case("POST", "/devices/{device_id}/authenticate", _device_secret),
    Case("POST", "/devices/{device_id}/challenge"),
    Case("POST", "/devices/{device_id}/prove", _signature, prepare=keyed_device),
    Case("POST", "/devices/{device_id}/confirm", {"reason": "known"}),
    Case("POST", "/devices/{device_id}/approve", _approval, prepare=pending_device),
    Case("POST", "/devices/{device_id}/reject", {"reason": "no"}, prepare=pending_device),
    Case("POST", "/devices/{device_id}/suspend", {}),
    Case("POST", "/devices/{device_id}/resume", {}, prepare=suspended_device),
    Case("POST", "/devices/{device_id}/revoke", {}),
    Case("POST", "/devices/{device_id}/trust", {"trust_level": 1, "reason": "checked"}),
    # Only the device itself is given a new secret: its administrator gets the answer of a missing id too.
    Case("POST", "/devices/{device_id}/rotate-secret", {}, owner=404),
    Case("GET", "/devices/{device_id}/history"),
    Case("GET", "/profiles/{profile_id}"),
    Case("PATCH", "/profiles/{profile_id}", {"description": "new"}),
    Case("DELETE", "/profiles/{profile_id}", owner=204),
    Case("GET", "/profiles/{profile_id}/usage"),
    Case("POST", "/profiles/{profile_id}/retire", {}),
    Case("POST", "/profiles/{profile_id}/clear-cooldown"),
    Case("POST", "/profiles/{profile_id}/probe", prepare=closed_probe_address),
    Case("GET", CREDENTIALS),
    Case("POST", CREDENTIALS, SECRET, owner=201),
    Case("GET", CREDENTIALS + "/{credential_id}"),
    Case("DELETE", CREDENTIALS + "/{credential_id}", owner=204),
)
