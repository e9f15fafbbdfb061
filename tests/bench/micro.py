"""Micro-benchmarks of the pure rules behind the hot paths; not collected by the suite, run by name:
``python -m pytest tests/bench/micro.py``.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from authsvc.tokens.compact import take_apart
from authsvc.tokens.formats import TokenType, generate, parse
from authsvc.tokens.jwt import SigningKeyBackend, generate_key
from authsvc.vault.envelope import Place, associated_data, open_sealed, seal
from authsvc.web.parsing import parse_json
from profiles.candidates import Candidate, ResolutionRequest
from profiles.providers import Kind
from profiles.resolution import choose
from rbac.scopes import HeldScopes

IDS = [f"{number:06d}" for number in range(100_000)]


@pytest.mark.parametrize("count", [100, 10_000])
def test_filter_100k_ids(benchmark: Any, count: int) -> None:
    held = frozenset(f"agents:{number * 7:06d}:read" for number in range(count))
    found = benchmark(lambda: HeldScopes(held).reachable("agents", "read", IDS))
    assert len(found) == len(set(IDS) & {scope.split(":")[1] for scope in held})


@pytest.mark.parametrize("count", [100, 10_000])
def test_bare_set_intersection_beside_it(benchmark: Any, count: int) -> None:
    held = [f"agents:{number * 7:06d}:read" for number in range(count)]

    def intersect() -> list[str]:
        visible = {text.split(":")[1] for text in held if text.startswith("agents:") and text.endswith(":read")}
        return [one for one in IDS if one in visible]

    assert benchmark(intersect)


def test_covers(benchmark: Any) -> None:
    held = HeldScopes(frozenset(f"agents:agent-{number}:run" for number in range(50)))
    assert benchmark(held.covers, "agents:agent-7:run")


def test_choose_of_20_profiles(benchmark: Any) -> None:
    candidates = [Candidate(f"anthropic:p{number}", "anthropic", Kind.API_KEY) for number in range(20)]
    assert benchmark(choose, ResolutionRequest("anthropic", 1_700_000_000_000), candidates).chosen


def test_seal_and_open_200_bytes(benchmark: Any) -> None:
    key, data = secrets.token_bytes(32), associated_data(Place("t", "e", "credential", "c", "sealed"), "k")
    text = secrets.token_bytes(200)
    assert benchmark(lambda: open_sealed(key, seal(key, text, data), data)) == text


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_check_a_token(benchmark: Any, algorithm: str) -> None:
    pair = generate_key(algorithm)
    backend = SigningKeyBackend(
        kid=pair.kid, algorithm=algorithm, private_pem=pair.private_pem, public_jwk=pair.public_jwk
    )
    text = backend.encode({"sub": "svc_x", "scopes": ["agents:read"], "exp": 1})
    assert benchmark(lambda: backend.check(take_apart(text)))["sub"] == "svc_x"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_sign_a_token(benchmark: Any, algorithm: str) -> None:
    pair = generate_key(algorithm)
    backend = SigningKeyBackend(kid=pair.kid, algorithm=algorithm, private_pem=pair.private_pem)
    assert benchmark(backend.encode, {"sub": "svc_x", "scopes": ["agents:read"], "exp": 1})


def test_parse_an_opaque_token(benchmark: Any) -> None:
    text = generate(TokenType.API_KEY, "prod").text.reveal()
    assert benchmark(parse, text)


def test_parse_a_question(benchmark: Any) -> None:
    body = json.dumps({"token": "x" * 700, "gateway": "gwy_x", "scope": "agents:read"}).encode()
    assert benchmark(parse_json, body)
