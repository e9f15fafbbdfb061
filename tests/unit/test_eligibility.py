"""Eligibility: upstream's table, the precedence of its codes, and what a caller may use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiles.candidates import Candidate, ConfiguredProfile, Requirement, ResolutionRequest
from profiles.eligibility import Reason, credential_reason, eligibility, probe_reason, refused_access
from profiles.expiry import INVALID, Expiry, checked_expiry, is_past, read_expiry
from profiles.providers import Billing, Kind
from profiles.references import Strategy
from tests.unit.resolution_stores import NOW, candidate_of, candidates_of, load_vectors, request_of

ASK = ResolutionRequest("anthropic", NOW)
KEY = Candidate("anthropic:key", "anthropic", Kind.API_KEY)
TOKEN = Candidate("anthropic:token", "anthropic", Kind.TOKEN)


@pytest.mark.parametrize("case", load_vectors("eligibility_2026.9.6.json"))
def test_credential_reason_current_equals_upstream(case: dict[str, Any]) -> None:
    candidate = candidate_of("x:1", case["credential"], {}, {})
    assert credential_reason(candidate, Strategy.CURRENT, case["now"]) == case["reasonCode"]


@pytest.mark.parametrize("case", load_vectors("order_2026.9.6.json"), ids=lambda case: str(case["id"]))
def test_eligibility_of_every_stored_profile_equals_upstream(case: dict[str, Any]) -> None:
    request = request_of(case, Strategy.CURRENT)
    found = {each.profile_id: eligibility(request, each, each.profile_id) for each in candidates_of(case)}
    assert found == case["eligibility"]


@pytest.mark.parametrize(
    ("mode", "kind", "reason"),
    [
        ("api_key", Kind.API_KEY, Reason.OK),
        ("oauth", Kind.TOKEN, Reason.OK),
        ("oauth", Kind.API_KEY, Reason.MODE_MISMATCH),
        ("token", Kind.OAUTH, Reason.MODE_MISMATCH),
        ("aws-sdk", Kind.API_KEY, Reason.MODE_MISMATCH),
    ],
)
def test_eligibility_configured_mode_must_fit_the_kind(mode: str, kind: Kind, reason: Reason) -> None:
    request = replace(ASK, configured=(ConfiguredProfile("anthropic:key", "anthropic", mode),))
    assert eligibility(request, replace(KEY, kind=kind), "anthropic:key") is reason


def test_eligibility_reports_the_first_fault_only() -> None:
    request = replace(ASK, configured=(ConfiguredProfile("a:1", "elsewhere", "token"),))
    assert eligibility(request, None, "a:1") is Reason.PROFILE_MISSING
    assert eligibility(request, replace(KEY, provider="openai"), "a:1") is Reason.PROVIDER_MISMATCH
    assert eligibility(request, KEY, "a:1") is Reason.PROVIDER_MISMATCH
    assert eligibility(ASK, replace(KEY, has_secret=False, is_malformed=True), "a:1") is Reason.MISSING_CREDENTIAL


def test_eligibility_aliases_are_known_only_to_classic() -> None:
    candidate = Candidate("zai:1", "z.ai", Kind.API_KEY)
    assert eligibility(ResolutionRequest("ZAI", NOW, Strategy.CLASSIC), candidate, "zai:1") is Reason.OK
    assert eligibility(ResolutionRequest("ZAI", NOW), candidate, "zai:1") is Reason.PROVIDER_MISMATCH


@pytest.mark.parametrize(
    ("change", "classic", "current"),
    [
        ({"expiry": INVALID}, Reason.OK, Reason.INVALID_EXPIRES),
        ({"expiry": NOW}, Reason.EXPIRED, Reason.EXPIRED),
        ({"expiry": NOW + 1}, Reason.OK, Reason.OK),
        ({"is_setup_inactive": True}, Reason.OK, Reason.SETUP_INACTIVE),
        ({"kind": Kind.API_KEY, "is_malformed": True}, Reason.OK, Reason.MALFORMED_API_KEY),
        ({"is_malformed": True}, Reason.OK, Reason.OK),
        ({"kind": Kind.API_KEY, "expiry": 1}, Reason.OK, Reason.OK),
        ({"has_secret": False, "has_refresh": True}, Reason.MISSING_CREDENTIAL, Reason.MISSING_CREDENTIAL),
        ({"has_secret": False, "has_unresolved_reference": True}, Reason.UNRESOLVED_REF, Reason.UNRESOLVED_REF),
        ({"kind": Kind.OAUTH, "has_secret": False, "has_refresh": True, "expiry": 1}, Reason.OK, Reason.OK),
    ],
)
def test_credential_reason_by_generation(change: dict[str, Any], classic: Reason, current: Reason) -> None:
    candidate = replace(TOKEN, **change)
    assert credential_reason(candidate, Strategy.CLASSIC, NOW) is classic
    assert credential_reason(candidate, Strategy.CURRENT, NOW) is current


@pytest.mark.parametrize(
    ("change", "asked", "reason"),
    [
        ({}, {}, None),
        ({"minimum_trust": 2}, {"trust_level": 2}, None),
        ({"minimum_trust": 2}, {"trust_level": 1}, Reason.TRUST_TOO_LOW),
        ({"allowed_channels": frozenset({"telegram"})}, {"channel": "telegram"}, None),
        ({"allowed_channels": frozenset({"telegram"})}, {"channel": "discord"}, Reason.CHANNEL_NOT_ALLOWED),
        ({"allowed_channels": frozenset({"telegram"})}, {}, Reason.CHANNEL_NOT_ALLOWED),
        ({"allowed_channels": frozenset()}, {"channel": "telegram"}, Reason.CHANNEL_NOT_ALLOWED),
        ({"allowed_gateways": frozenset({"g1"})}, {"gateway": "g1"}, None),
        ({"allowed_gateways": frozenset({"g1"})}, {}, Reason.GATEWAY_NOT_ALLOWED),
        ({"prompt_caching": False}, {"require": frozenset({Requirement.PROMPT_CACHING})}, Reason.REQUIREMENT_UNMET),
        ({}, {"require": frozenset({Requirement.PROMPT_CACHING, Requirement.METERED})}, None),
        ({}, {"require": frozenset({Requirement.SUBSCRIPTION})}, Reason.REQUIREMENT_UNMET),
        ({"billing": Billing.SUBSCRIPTION}, {"require": frozenset({Requirement.SUBSCRIPTION})}, None),
    ],
)
def test_refused_access_truth_table(change: dict[str, Any], asked: dict[str, Any], reason: Reason | None) -> None:
    assert refused_access(replace(ASK, **asked), replace(KEY, **change)) is reason


@pytest.mark.parametrize(
    ("reason", "reported"),
    [
        (Reason.OK, Reason.OK),
        (Reason.EXPIRED, Reason.EXPIRED),
        (Reason.EXCLUDED_BY_AUTH_ORDER, Reason.EXCLUDED_BY_AUTH_ORDER),
        (Reason.MALFORMED_API_KEY, Reason.INELIGIBLE_PROFILE),
        (Reason.MODE_MISMATCH, Reason.INELIGIBLE_PROFILE),
    ],
)
def test_probe_reason_maps_unknown_words_to_ineligible(reason: Reason, reported: Reason) -> None:
    assert probe_reason(reason) is reported


@pytest.mark.parametrize(
    ("value", "expiry"),
    [
        (1, 1),
        (1.5, 2),
        (8.64e15, 8_640_000_000_000_000),
        (8.64e15 + 2, INVALID),
        (0, INVALID),
        (-1, INVALID),
        (float("nan"), INVALID),
        (float("inf"), INVALID),
        (True, INVALID),
        (None, INVALID),
        ("1800000000000", INVALID),
    ],
)
def test_checked_expiry_truth_table(value: object, expiry: Expiry) -> None:
    assert checked_expiry(value) == expiry
    assert read_expiry({"expires": value}) == expiry


def test_read_expiry_missing_is_none() -> None:
    assert read_expiry({}) is None
    assert read_expiry({"expiresAt": 5}, "expiresAt") == 5


def test_is_past_invalid_and_missing_never_are() -> None:
    assert not is_past(None, NOW)
    assert not is_past(INVALID, NOW)
    assert is_past(NOW, NOW)
