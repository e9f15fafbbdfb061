"""What one gateway reports, every other sees: windows, counters, thresholds, and who may report."""

from __future__ import annotations

from typing import Any

from authsvc.audit.models import AuditEvent
from tests.world import Api, Place, World

ONLY_CLAUDE_CODE = "This credential is only authorized for use with Claude Code and cannot be used elsewhere."


def _profile(place: Place, name: str, kind: str = "api_key", provider: str = "openrouter-eu") -> dict[str, Any]:
    body = {"provider": provider, "name": name, "kind": kind, "value": f"value-{name}-0123456789"}
    answer = place.api().post("/profiles", body)
    assert answer.status_code == 201, answer.json()
    document: dict[str, Any] = answer.json()
    return document


def _report(place: Place, **body: Any) -> Any:
    return place.api().post("/credentials/report", {"outcome": "failure", **body})


def test_report_failure_of_lease_cools_profile_for_every_caller(world: World) -> None:
    first, second = _profile(world.prod, "a"), _profile(world.prod, "b")
    leased = world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"}).json()
    assert leased["profile_id"] == first["id"]
    answer = _report(world.prod, lease_id=leased["lease_id"], message="429 rate limit exceeded")
    assert answer.status_code == 200
    assert (answer.json()["reason"], answer.json()["status"]) == ("rate_limit", "cooldown")
    other = Api(world.prod.access_token()).post("/credentials/resolve", {"provider": "openrouter-eu"})
    assert other.json()["profile_id"] == second["id"]


def test_report_again_while_window_runs_keeps_its_end(world: World) -> None:
    profile = _profile(world.prod, "a")
    first = _report(world.prod, profile_id=profile["id"], reason="rate_limit").json()
    second = _report(world.prod, profile_id=profile["id"], reason="rate_limit", retry_after=7200).json()
    assert second["until_ms"] == first["until_ms"]
    assert second["failure_count"] == 2


def test_report_format_error_leaves_credential_usable(world: World) -> None:
    profile = _profile(world.prod, "a")
    answer = _report(world.prod, profile_id=profile["id"], message="invalid_request_error: roles must alternate")
    assert (answer.json()["reason"], answer.json()["status"]) == ("format", "ok")


def test_report_claude_code_only_disables_with_hint_for_api_key(world: World) -> None:
    profile = _profile(world.prod, "a", kind="token")
    answer = _report(world.prod, profile_id=profile["id"], reason="auth", message=ONLY_CLAUDE_CODE).json()
    assert (answer["status"], answer["reason"]) == ("disabled", "credential_not_allowed")
    assert "API key" in answer["hint"]
    shown = world.prod.api().get(f"/profiles/{profile['id']}").json()
    assert shown["usage"]["status"] == "disabled"
    assert "API key" in shown["usage"]["hint"]


def test_report_quota_with_reset_time_skips_profile_until_then(world: World) -> None:
    profile = _profile(world.prod, "a")
    body = {"profile_id": profile["id"], "reason": "quota_exhausted", "reset_at": "2100-01-01T00:00:00Z"}
    assert _report(world.prod, **body).json()["status"] == "quota_exhausted"
    refused = world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"})
    assert (refused.status_code, refused.json()["code"]) == (409, "all_in_cooldown")
    assert int(refused["Retry-After"]) > 86_400


def test_report_rate_limit_that_says_quota_rests_until_its_reset(world: World) -> None:
    profile = _profile(world.prod, "a")
    body = {"profile_id": profile["id"], "reason": "rate_limit", "message": "429 usage limit reached"}
    answer = _report(world.prod, **body, reset_at="2100-01-01T00:00:00Z").json()
    assert (answer["reason"], answer["status"]) == ("quota_exhausted", "quota_exhausted")


def test_usage_is_counted_by_whoever_used_it(world: World) -> None:
    profile, device = _profile(world.prod, "a"), world.prod.device
    token = Api().post(f"/devices/{device['id']}/authenticate", {"secret": device["secret"]}).json()["access_token"]
    for _ in range(2):
        lease = Api(token).post("/credentials/resolve", {"provider": "openrouter-eu"}).json()
    Api(token).post("/credentials/report", {"lease_id": lease["lease_id"], "outcome": "success"})
    world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"})
    _report(world.prod, profile_id=profile["id"], reason="timeout")
    told = world.prod.api().get(f"/profiles/{profile['id']}/usage").json()
    rows = [
        (row["principal_id"], row["kind"], row["leases"], row["successes"], row["failures"]) for row in told["used_by"]
    ]
    assert rows[0] == (device["id"], "device", 2, 1, 0)
    assert [row[1:] for row in rows[1:]] == [("service_account", 1, 0, 1)]
    assert (told["lease_count"], told["success_count"], told["failure_count"]) == (3, 1, 1)
    assert told["used_by"][0]["last_leased_at"] is not None
    assert world.foreign.api().get(f"/profiles/{profile['id']}/usage").status_code == 404


def test_clear_cooldown_makes_profile_usable_and_is_audited(world: World) -> None:
    profile = _profile(world.prod, "a")
    _report(world.prod, profile_id=profile["id"], reason="billing")
    assert world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"}).status_code == 409
    cleared = world.prod.api().post(f"/profiles/{profile['id']}/clear-cooldown")
    assert cleared.json()["usage"]["status"] == "ok"
    assert world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"}).status_code == 200
    assert AuditEvent.objects.filter(event_type="usage.cooldown_cleared", subject_id=profile["id"]).count() == 1


def test_report_success_clears_windows_and_counts(world: World) -> None:
    profile = _profile(world.prod, "a")
    _report(world.prod, profile_id=profile["id"], reason="timeout")
    answer = _report(world.prod, profile_id=profile["id"], outcome="success").json()
    assert (answer["status"], answer["success_count"], answer["failure_count"]) == ("ok", 1, 1)


def test_ten_leases_count_ten_and_threshold_emits_one_event(world: World) -> None:
    assert world.prod.api().send("PATCH", "/profiles/settings", {"lease_threshold": 4}).status_code == 200
    profile = _profile(world.prod, "a")
    for _ in range(10):
        assert world.prod.api().post("/credentials/resolve", {"provider": "openrouter-eu"}).status_code == 200
    shown = world.prod.api().get(f"/profiles/{profile['id']}").json()
    assert shown["lease_count"] == 10
    assert shown["last_used_by"].startswith("svc_")
    events = AuditEvent.objects.filter(event_type="usage.threshold_reached", subject_id=profile["id"])
    assert [event.detail["count"] for event in events] == [4]


def test_failures_in_a_row_emit_one_event_at_the_threshold(world: World) -> None:
    world.prod.api().send("PATCH", "/profiles/settings", {"failure_threshold": 3})
    profile = _profile(world.prod, "a")
    for _ in range(5):
        _report(world.prod, profile_id=profile["id"], reason="overloaded")
    events = AuditEvent.objects.filter(event_type="usage.threshold_reached", subject_id=profile["id"])
    assert [event.detail["counter"] for event in events] == ["failures"]


def test_backoff_preset_of_environment_decides_the_window(world: World) -> None:
    profile = _profile(world.prod, "a")
    world.prod.api().send("PATCH", "/profiles/settings", {"backoff_preset": "clawdbot"})
    answer = _report(world.prod, profile_id=profile["id"], reason="billing").json()
    assert answer["until_ms"] - world.made_at.timestamp() * 1000 > 4 * 3_600_000


def test_report_message_reaches_no_answer_and_no_audit(world: World) -> None:
    profile = _profile(world.prod, "a")
    secret = "sk-ant-api03-CANARY-in-a-provider-message"
    answer = _report(world.prod, profile_id=profile["id"], message=f"invalid api key {secret}")
    assert secret not in answer.content.decode()
    details = [str(event.detail) for event in AuditEvent.objects.filter(event_type="usage.reported")]
    assert details
    assert not any(secret in detail for detail in details)


def test_report_from_other_tenant_or_environment_is_the_404_of_a_missing_id(world: World) -> None:
    profile = _profile(world.prod, "a")
    missing = _report(world.dev, profile_id="prf_missing")
    for place in (world.dev, world.foreign):
        answer = _report(place, profile_id=profile["id"])
        assert (answer.status_code, answer.content) == (404, missing.content)
        cleared = place.api().post(f"/profiles/{profile['id']}/clear-cooldown")
        assert (cleared.status_code, cleared.content) == (404, missing.content)


def test_report_without_proof_401_and_with_wrong_scope_403(world: World) -> None:
    body = {"outcome": "success", "profile_id": "prf_x"}
    assert Api().post("/credentials/report", body).status_code == 401
    token = world.prod.access_token(**world.prod.reader)
    assert Api(token).post("/credentials/report", body).status_code == 403


def test_report_bad_input_is_400_by_field(world: World) -> None:
    for body, field in (
        ({}, "lease_id"),
        ({"profile_id": "x", "lease_id": "y"}, "lease_id"),
        ({"profile_id": "x", "reason": "nope"}, "reason"),
        ({"profile_id": "x", "retry_after": -1}, "retry_after"),
    ):
        answer = _report(world.prod, **body)
        assert answer.status_code == 400
        assert field in answer.json()["errors"]
