"""Resolution: the order tables of three upstream versions, ten thousand random stores at full scale, every rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.backoff import UsageStats
from profiles.candidates import Candidate, Pin, PinSource, Requirement, ResolutionRequest
from profiles.eligibility import Reason
from profiles.providers import Billing, Kind
from profiles.references import Strategy
from profiles.resolution import FailureCode, TraceEntry, choose
from profiles.strategy import prune_order, resolve_order
from tests.scale import scaled
from tests.unit.oracle_resolution import Oracle
from tests.unit.resolution_stores import NOW, candidates_of, load_vectors, random_case, request_of

CURRENT = load_vectors("order_2026.9.6.json")
CLASSIC = {
    version: {entry["id"]: entry["expected"] for entry in load_vectors(f"order_{version}.json")}
    for version in ("2026.1.24-3", "2026.4.14")
}
COOLING = UsageStats(cooldown_until_ms=NOW + 60_000, cooldown_reason="rate_limit")
KEY = Candidate("anthropic:key", "anthropic", Kind.API_KEY)
TOKEN = Candidate("anthropic:token", "anthropic", Kind.TOKEN, prompt_caching=False, billing=Billing.SUBSCRIPTION)
LOGIN = Candidate("anthropic:login", "anthropic", Kind.OAUTH, expiry=NOW + 1)
ALL = (KEY, TOKEN, LOGIN)
ASK = ResolutionRequest("anthropic", NOW)


def with_usage(candidate: Candidate, usage: UsageStats) -> Candidate:
    return replace(candidate, usage=usage)


@pytest.mark.parametrize("case", CURRENT, ids=lambda case: str(case["id"]))
def test_resolve_order_current_equals_2026_9_6(case: dict[str, Any]) -> None:
    assert list(resolve_order(request_of(case, Strategy.CURRENT), candidates_of(case))) == case["expected"]


@pytest.mark.parametrize("version", CLASSIC)
@pytest.mark.parametrize("case", CURRENT, ids=lambda case: str(case["id"]))
def test_resolve_order_classic_equals_older_versions(case: dict[str, Any], version: str) -> None:
    order = resolve_order(request_of(case, Strategy.CLASSIC), candidates_of(case))
    assert list(order) == CLASSIC[version][case["id"]]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("chunk", range(10))
def test_choose_random_stores_agree_with_oracle(chunk: int, strategy: Strategy) -> None:
    size = scaled(quick=200, full=1000)
    for seed in range(chunk * size, chunk * size + size):
        case = random_case(seed)
        request, candidates = request_of(case, strategy), candidates_of(case)
        oracle = Oracle(case, strategy)
        assert list(resolve_order(request, candidates)) == oracle.upstream(), seed
        found = choose(request, candidates)
        failure = found.failure.code.value if found.failure else None
        assert (found.chosen, list(found.order), failure) == oracle.answer(), seed


def test_random_stores_reach_every_outcome() -> None:
    outcomes = {Oracle(random_case(seed), "current").answer()[2] for seed in range(500)}
    assert outcomes == {None, *FailureCode}


@given(st.integers(min_value=10_000, max_value=10_000_000))
def test_choose_any_store_explains_every_profile_once(seed: int) -> None:
    case = random_case(seed)
    candidates = candidates_of(case)
    found = choose(request_of(case, Strategy.CURRENT), candidates)
    explained = [entry.profile_id for entry in found.trace]
    assert len(explained) == len(set(explained))
    assert {candidate.profile_id for candidate in candidates} <= set(explained)
    assert (found.chosen is None) is (found.failure is not None)
    assert found.order == tuple(explained[: len(found.order)])


def test_choose_nothing_stored_is_no_credentials() -> None:
    found = choose(ASK, ())
    assert found.failure is not None
    assert (found.chosen, found.order, found.trace) == (None, (), ())
    assert (found.failure.code, found.failure.retry_after_ms) == (FailureCode.NO_CREDENTIALS, None)


def test_choose_all_cooling_says_when_the_first_recovers() -> None:
    later = replace(COOLING, cooldown_until_ms=NOW + 90_000)
    found = choose(ASK, (with_usage(KEY, COOLING), with_usage(TOKEN, later)))
    assert found.failure is not None
    assert (found.failure.code, found.failure.retry_after_ms) == (FailureCode.ALL_IN_COOLDOWN, 60_000)
    assert found.order == (KEY.profile_id, TOKEN.profile_id)


def test_choose_only_out_of_reach_is_forbidden() -> None:
    found = choose(ASK, (replace(KEY, minimum_trust=2), replace(TOKEN, expiry=1)))
    assert found.failure is not None
    assert found.failure.code is FailureCode.FORBIDDEN


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (UsageStats(), None, "anthropic:key"),
        (COOLING, None, None),
        (None, None, None),
        (UsageStats(), COOLING, "anthropic:key"),
        (COOLING, UsageStats(), "anthropic:token"),
        (COOLING, COOLING, None),
    ],
)
def test_choose_cooling_profile_loses_only_to_a_healthy_one(
    first: UsageStats | None, second: UsageStats | None, chosen: str | None
) -> None:
    pairs = ((KEY, first), (TOKEN, second))
    stored = tuple(with_usage(candidate, usage) for candidate, usage in pairs if usage is not None)
    found = choose(replace(ASK, preferred_kind=Kind.API_KEY), stored)
    assert found.chosen == chosen
    assert set(found.order) == {candidate.profile_id for candidate in stored}
    if chosen is None:
        assert found.failure is not None
        assert (found.failure.code is FailureCode.ALL_IN_COOLDOWN) is bool(stored)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (None, ("anthropic:login", "anthropic:token", "anthropic:key")),
        (Kind.API_KEY, ("anthropic:key", "anthropic:login", "anthropic:token")),
        (Kind.TOKEN, ("anthropic:token", "anthropic:login", "anthropic:key")),
        (Kind.OAUTH, ("anthropic:login", "anthropic:token", "anthropic:key")),
    ],
)
def test_choose_preferred_kind_goes_before_upstream_order(kind: Kind | None, expected: tuple[str, ...]) -> None:
    assert choose(replace(ASK, preferred_kind=kind), ALL).order == expected


def test_choose_preferred_kind_gives_way_to_an_explicit_order() -> None:
    request = replace(ASK, preferred_kind=Kind.API_KEY, explicit_order=("anthropic:token", "anthropic:key"))
    found = choose(request, ALL)
    assert found.order == ("anthropic:token", "anthropic:key")
    assert TraceEntry("anthropic:login", Reason.EXCLUDED_BY_AUTH_ORDER) in found.trace


def test_choose_preferred_kind_never_lifts_a_cooling_profile() -> None:
    found = choose(replace(ASK, preferred_kind=Kind.API_KEY), (with_usage(KEY, COOLING), TOKEN))
    assert found.order == ("anthropic:token", "anthropic:key")


def test_choose_empty_order_selects_nothing() -> None:
    found = choose(replace(ASK, explicit_order=()), ALL)
    assert found.failure is not None
    assert found.failure.code is FailureCode.NO_CREDENTIALS
    assert {entry.reason for entry in found.trace} == {Reason.EXCLUDED_BY_AUTH_ORDER}


def test_choose_dangling_id_is_named_in_the_trace() -> None:
    found = choose(replace(ASK, explicit_order=("anthropic:ghost", "anthropic:key")), ALL)
    assert found.chosen == "anthropic:key"
    assert TraceEntry("anthropic:ghost", Reason.PROFILE_MISSING) in found.trace


@pytest.mark.parametrize(
    ("strategy", "is_stored", "order"),
    [
        (Strategy.CURRENT, True, ("anthropic:key",)),
        (Strategy.CURRENT, False, ()),
        (Strategy.CLASSIC, True, ()),
    ],
)
def test_resolve_order_of_missing_ids_is_repaired_only_where_upstream_does(
    strategy: Strategy, is_stored: bool, order: tuple[str, ...]
) -> None:
    request = replace(ASK, strategy=strategy, explicit_order=("gone:1", "gone:2"), is_stored_order=is_stored)
    assert resolve_order(request, (KEY,)) == order


def test_choose_user_pin_beats_policy_and_preference() -> None:
    request = replace(
        ASK,
        pin=Pin("anthropic:token", PinSource.USER),
        preferred_kind=Kind.API_KEY,
        preferred_profile="anthropic:login",
    )
    assert choose(request, ALL).chosen == "anthropic:token"


def test_choose_user_pin_cooling_is_an_explicit_failure() -> None:
    request = replace(ASK, pin=Pin("anthropic:token", PinSource.USER))
    found = choose(request, (KEY, with_usage(TOKEN, COOLING)))
    assert found.chosen is None
    assert found.failure is not None
    assert found.failure.code is FailureCode.PIN_UNAVAILABLE
    assert (found.failure.profile_id, found.failure.reason) == ("anthropic:token", Reason.IN_COOLDOWN)
    assert found.failure.retry_after_ms == 60_000


@pytest.mark.parametrize(
    ("stored", "order", "reason", "code"),
    [
        ((KEY,), None, Reason.PROFILE_MISSING, FailureCode.PIN_UNAVAILABLE),
        ((KEY, replace(TOKEN, expiry=NOW)), None, Reason.EXPIRED, FailureCode.PIN_UNAVAILABLE),
        ((KEY, replace(TOKEN, provider="openai")), None, Reason.PROVIDER_MISMATCH, FailureCode.PIN_UNAVAILABLE),
        ((KEY, TOKEN), ("anthropic:key",), Reason.EXCLUDED_BY_AUTH_ORDER, FailureCode.PIN_UNAVAILABLE),
        ((KEY, replace(TOKEN, minimum_trust=3)), None, Reason.TRUST_TOO_LOW, FailureCode.FORBIDDEN),
    ],
)
def test_choose_user_pin_that_cannot_serve_never_switches(
    stored: tuple[Candidate, ...], order: tuple[str, ...] | None, reason: Reason, code: FailureCode
) -> None:
    request = replace(ASK, pin=Pin("anthropic:token", PinSource.USER), explicit_order=order)
    found = choose(request, stored)
    assert found.chosen is None
    assert found.failure is not None
    assert (found.failure.code, found.failure.reason) == (code, reason)


def test_choose_auto_pin_leads_while_healthy_and_rotates_when_cooling() -> None:
    request = replace(ASK, pin=Pin("anthropic:key", PinSource.AUTO))
    assert choose(request, ALL).chosen == "anthropic:key"
    assert choose(request, (with_usage(KEY, COOLING), TOKEN)).chosen == "anthropic:token"
    assert choose(replace(request, pin=Pin("gone:1", PinSource.AUTO)), ALL).chosen == "anthropic:login"


def test_choose_require_prompt_caching_never_returns_a_setup_token() -> None:
    request = replace(ASK, require=frozenset({Requirement.PROMPT_CACHING}))
    assert choose(request, (TOKEN, KEY)).chosen == "anthropic:key"
    found = choose(request, (TOKEN,))
    assert found.failure is not None
    assert found.failure.code is FailureCode.NO_CREDENTIALS
    assert found.trace == (TraceEntry("anthropic:token", Reason.REQUIREMENT_UNMET),)


def test_choose_trace_names_window_and_cause() -> None:
    disabled = UsageStats(disabled_until_ms=NOW + 5, disabled_reason="billing")
    entry = choose(ASK, (KEY, with_usage(TOKEN, disabled))).trace[1]
    assert entry == TraceEntry("anthropic:token", Reason.IN_COOLDOWN, NOW + 5, "billing")


def test_choose_cooldown_of_another_model_counts_only_when_classic() -> None:
    scoped = with_usage(KEY, replace(COOLING, cooldown_model="m1"))
    request = replace(ASK, model="m2")
    assert choose(request, (scoped,)).chosen == "anthropic:key"
    assert choose(replace(request, strategy=Strategy.CLASSIC), (scoped,)).chosen is None
    assert choose(replace(request, model="m1"), (scoped,)).chosen is None


def test_choose_openrouter_never_cools_when_current() -> None:
    stored = (Candidate("openrouter:a", "openrouter", Kind.API_KEY, usage=COOLING),)
    assert choose(ResolutionRequest("openrouter", NOW), stored).chosen == "openrouter:a"
    assert choose(ResolutionRequest("openrouter", NOW, Strategy.CLASSIC), stored).chosen is None


def test_prune_order_drops_repeats_and_names_dangling_ids() -> None:
    assert prune_order(["a", "x", "b", "a", "x"], frozenset({"a", "b", "c"})) == (("a", "b"), ("x",))
