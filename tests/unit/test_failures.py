"""Failure classification: phrases before statuses, narrow phrases before wide ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.failures import READ_CHARACTERS, FailureReason, blames_credential, classify


@pytest.mark.parametrize(
    ("message", "status", "reason"),
    [
        (
            "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
            400,
            "credential_not_allowed",
        ),
        ("Claude usage limit reached. Your limit will reset at 3pm", 429, "quota_exhausted"),
        ("Your credit balance is too low to access the Anthropic API", 400, "billing"),
        ("You exceeded your current quota, please check your plan and billing details", 429, "billing"),
        ("This organization has been deactivated", 403, "auth_permanent"),
        ("invalid x-api-key", 401, "auth"),
        ("permission_error: no access", None, "auth"),
        ("Quota exceeded for requests per minute", 429, "rate_limit"),
        ("HTTP 429 Too Many Requests", None, "rate_limit"),
        ("Overloaded", 529, "overloaded"),
        ("Request timed out", None, "timeout"),
        ("model_not_found: gpt-9", 404, "model_not_found"),
        ("messages: roles must alternate", 400, "format"),
        ("Session expired", None, "session_expired"),
        ("empty response from model", None, "empty_response"),
        ("", 402, "billing"),
        ("", 401, "auth"),
        ("strange", 503, "overloaded"),
        ("strange", 418, "unknown"),
        ("strange", None, "unknown"),
        ("  ", None, "no_error_details"),
    ],
)
def test_classify_truth_table(message: str, status: int | None, reason: str) -> None:
    assert classify(message, status).reason == reason


def test_classify_credential_not_allowed_hints_at_an_api_key() -> None:
    assert "use an API key" in classify("Only authorized for use with Claude Code").hint


def test_classify_rate_limit_needs_no_hint() -> None:
    assert classify("rate limit", None).hint == ""


def test_classify_reads_only_the_beginning() -> None:
    assert classify("x" * READ_CHARACTERS + " rate limit").reason is FailureReason.UNKNOWN


@given(st.text(), st.one_of(st.none(), st.integers(min_value=100, max_value=599)))
def test_classify_any_message_gets_a_reason(message: str, status: int | None) -> None:
    assert classify(message, status).reason in FailureReason


@pytest.mark.parametrize(
    ("reason", "is_blamed"),
    [
        (FailureReason.FORMAT, False),
        (FailureReason.EMPTY_RESPONSE, False),
        (FailureReason.NO_ERROR_DETAILS, False),
        (FailureReason.RATE_LIMIT, True),
        (FailureReason.UNKNOWN, True),
    ],
)
def test_blames_credential_not_for_malformed_requests(reason: FailureReason, is_blamed: bool) -> None:
    assert blames_credential(reason) is is_blamed
