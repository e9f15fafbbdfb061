"""The measured paths of the service, each as the request its clients send."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.bench.load import Target

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCOPES = ["agents:read", "agents:agent-1:run"]
BATCH = 100
FILTER_IDS = 100_000
TOKENS_A_SECOND = 2_500  # a cold run must not meet a token twice
TOKENS_A_SECOND_GRANIAN = 9_000


@dataclass(frozen=True)
class Bench:
    """The server that is measured: its address, the demo's acme/prod, and what ``seed`` made."""

    base_url: str
    place: Mapping[str, Any]
    seeded: Mapping[str, Any]

    def token(self, number: int, **claims: object) -> str:
        """Return a token of the bench account for the AgentOS gateway, signed with the environment's RS256 key."""
        now = int(datetime.now(UTC).timestamp())
        payload: dict[str, object] = {
            "iss": self.place["issuer"],
            "aud": self.place["gateway"]["audience"],
            "sub": self.seeded["account"],
            "client_id": self.seeded["account"],
            "jti": f"jti_bench_{now}_{number}",
            "iat": now,
            "nbf": now,
            "exp": self.seeded["expires"],
            "tenant": "acme",
            "env": "prod",
            "scope": " ".join(SCOPES),
            "scopes": SCOPES,
            "trust_level": 1,
            **claims,
        }
        key = self._private_key()
        return jwt.encode(payload, key, algorithm="RS256", headers={"kid": self.seeded["kid"], "typ": "at+jwt"})

    def public_pem(self) -> bytes:
        """Return the public half, which the peers check with."""
        return bytes(self._private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def _private_key(self) -> Any:
        return _parsed(self.seeded["private_key_pem"])


_KEYS: dict[str, Any] = {}


def _parsed(pem: str) -> Any:
    if pem not in _KEYS:
        _KEYS[pem] = load_pem_private_key(pem.encode(), None)
    return _KEYS[pem]


def pool_of(bench: Bench, count: int) -> list[str]:
    """Return that many distinct tokens, signed on every core: a signature costs about a millisecond."""
    cores = os.cpu_count() or 1
    parts = [range(first, count, cores) for first in range(min(cores, count))]
    if not parts:
        return []
    with ProcessPoolExecutor(len(parts)) as processes:
        return [token for tokens in processes.map(_signed, [bench] * len(parts), parts) for token in tokens]


def _signed(bench: Bench, numbers: Iterable[int]) -> list[str]:
    return [bench.token(number) for number in numbers]


def our_targets(bench: Bench, pool: Sequence[str]) -> list[Target]:
    """Return every path of the service, in the order of the table."""
    warm, garbage = bench.token(-1), "x" * 600
    expired = bench.token(-2, iat=1_600_000_000, nbf=1_600_000_000, exp=1_600_003_600)
    tampered = bench.token(-3)[:-6] + "AAAAAA"
    gateway = bench.place["gateway"]
    asker = {**JSON, "Authorization": f"Bearer {gateway['token']}"}
    bound = {**JSON, "Authorization": f"Bearer {bench.seeded['bound_key']}"}
    issuer = str(bench.place["issuer"])

    def decide(
        name: str, tokens: Sequence[str], contains: str, headers: Mapping[str, str] = asker, **more: Any
    ) -> Target:
        bodies = [json.dumps({"token": token, "gateway": gateway["id"], "scope": "agents:read"}) for token in tokens]
        url = f"{bench.base_url}/api/v1/decide"
        return Target(name, name.partition(" ")[0], url, "POST", headers, bodies, contains=contains, **more)

    forward = f"{issuer}/gateways/{gateway['id']}/forward-auth"
    introspect = f"{issuer}/oauth/introspect"
    return [
        decide("P1 decide warm", [warm], '"allowed":true'),
        Target("P1 introspect warm", "P1", introspect, "POST", {**FORM, "Authorization": asker["Authorization"]},
               [urlencode({"token": warm})], contains='"active": true'),
        Target("P1 forward-auth warm", "P1", forward, headers={"Authorization": f"Bearer {warm}"}),
        decide("P1 decide cold", pool, '"allowed":true', is_cold=True),
        decide("P1 decide denied", [bench.token(-4, scopes=["x:y"], scope="x:y")], "insufficient_scope"),
        decide("P1 decide garbage", [garbage], "invalid_token"),
        decide("P1 decide expired", [expired], "invalid_token"),
        decide("P1 decide tampered", [tampered], "invalid_token"),
        Target("P1 garbage bearer", "P1", f"{bench.base_url}/api/v1/decide", "POST",
               {**JSON, "Authorization": f"Bearer {garbage}"}, [json.dumps({"token": "x", "scope": "a:b"})],
               status=401, contains="unauthenticated"),
        decide("P2 opaque key, no cache", [warm], '"allowed":true', bound),
        *_issuing(bench, issuer),
        *_lists(bench, warm, asker),
    ]  # fmt: skip


def _issuing(bench: Bench, issuer: str) -> list[Target]:
    account, secret = bench.seeded["account"], bench.seeded["client_secret"]
    basic = base64.b64encode(f"{account}:{secret}".encode()).decode()
    client = {**FORM, "Authorization": f"Basic {basic}"}
    device = bench.seeded["device"]
    admin = {**JSON, "Authorization": f"Bearer {bench.place['api_key']}"}

    def issue(name: str, audience: str) -> Target:
        form = urlencode({"grant_type": "client_credentials", "audience": audience})
        return Target(name, "P4", f"{issuer}/oauth/token", "POST", client, [form], contains='"access_token"')

    return [
        Target("P3 resolve", "P3", f"{bench.base_url}/api/v1/credentials/resolve", "POST", admin,
               [json.dumps({"provider": "anthropic"})], contains="sk-ant-api03-DEMO-"),
        issue("P4 client_credentials ES256", "bench-es256"),
        issue("P4 client_credentials RS256", str(bench.place["gateway"]["audience"])),
        Target("P6 device authenticate ES256", "P6", f"{bench.base_url}/api/v1/devices/{device['id']}/authenticate",
               "POST", JSON, [json.dumps({"secret": device["secret"]})], contains='"access_token"'),
    ]  # fmt: skip


def _lists(bench: Bench, warm: str, asker: Mapping[str, str]) -> list[Target]:
    gateway = bench.place["gateway"]["id"]
    ids = [f"{number:06d}" for number in range(FILTER_IDS)]
    asked = {"token": warm, "gateway": gateway, "resource": "agents", "action": "read", "ids": ids}
    question = {"token": warm, "gateway": gateway, "scope": "agents:read"}
    return [
        Target("P5 filter 100k ids", "P5", f"{bench.base_url}/api/v1/filter", "POST", asker,
               [json.dumps(asked, separators=(",", ":"))], contains="099999"),
        Target("batch decide k=100", "batch", f"{bench.base_url}/api/v1/decide/batch", "POST", asker,
               [json.dumps({"questions": [question] * BATCH})], contains='"allowed":true'),
    ]  # fmt: skip
