"""Micro-benchmarks of the pure rules behind the hot paths; not collected by the suite, run by name:
``python -m pytest tests/bench/micro.py``.
"""

from __future__ import annotations

import json
import secrets
import statistics
import time
from typing import Any

import pytest
from agno.os.scopes import get_accessible_resource_ids

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
COUNTS = [100, 10_000]
TURNS = 15


def held_scopes(count: int) -> list[str]:
    """Return as many scopes, each for one of the ids."""
    return [f"agents:{number * 7:06d}:read" for number in range(count)]


def intersect(held: list[str]) -> list[str]:
    """Do the least that a filter can: a set of the ids that are named, and which of the given ones are in it."""
    visible = {text.split(":")[1] for text in held if text.startswith("agents:") and text.endswith(":read")}
    return [one for one in IDS if one in visible]


def agno_filter(held: list[str]) -> list[str]:
    """Do what AgentOS does when it lists agents."""
    visible = get_accessible_resource_ids(held, "agents", action="read")
    return [one for one in IDS if "*" in visible or one in visible]


def our_filter(held: list[str]) -> list[str]:
    """Compile the scopes and filter, as for a token not seen before."""
    return HeldScopes(frozenset(held)).reachable("agents", "read", IDS)


FILTERS = {"ours": our_filter, "set intersection": intersect, "agno": agno_filter}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("how", FILTERS)
def test_filter_100k_ids(benchmark: Any, how: str, count: int) -> None:
    benchmark.group = f"filter 100,000 ids by {count} scopes"
    held = held_scopes(count)
    found = benchmark(FILTERS[how], held)
    assert list(found) == intersect(held)


@pytest.mark.parametrize("count", COUNTS)
def test_filter_ratios(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Say how the medians stand to each other, taken by turns so that a busy moment meets all of them."""
    held = held_scopes(count)
    compiled = HeldScopes(frozenset(held))
    compiled.reachable("agents", "read", IDS)
    remembered = {"remembered": lambda _held: compiled.reachable("agents", "read", IDS)}
    times: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, each in (FILTERS | remembered).items():
            began = time.perf_counter()
            each(held)
            times.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    ours, bare, agno, again = (statistics.median(times[name]) for name in (*FILTERS, *remembered))
    with capsys.disabled():
        print(f"\nfilter 100,000 ids by {count} scopes: {ours:.1f} ms, {again:.1f} with scopes compiled before")  # noqa: T201
        print(f"  {ours / bare:.2f} x and {again / bare:.2f} x a set intersection; the goal is <= 1.5")  # noqa: T201
        print(f"  agno takes {agno / ours:.1f} x and {agno / again:.1f} x as long; the goal at 10,000 is >= 2")  # noqa: T201
    assert list(our_filter(held)) == intersect(held)


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
