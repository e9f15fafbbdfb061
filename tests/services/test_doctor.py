"""The doctor: every item of the checklist can be made to fail alone, says what to do, and shows no secret."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from authsvc.ops.doctor import ITEMS, Finding, Severity, examine, exit_code, limits_document
from authsvc.settings import networks
from authsvc.tenants.models import Operator, Tenant
from authsvc.tokens.models import ApiKey
from authsvc.vault.models import DataKey
from profiles.models import Credential, OAuthRefresh, Profile
from rbac.views.channels import ChannelList
from tests.world import World

SECRET = "Zk3vQ8pW1nR5tY7uB2mX9cL4hJ6gF0dS-aE_only-here"


@pytest.fixture
def healthy(world: World, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put this installation into a state the doctor has nothing to say about."""
    settings.AUTHSVC_ENV, settings.PRODUCTION, settings.AUTHSVC_DEMO_LIMITS = "production", True, "on"
    settings.SECRET_KEY, settings.AUTHSVC_BASE_URL = SECRET, "https://auth.acme.test"
    settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOW_ALL_ORIGINS = ["https://acme.test"], False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.LOGGING, settings.REDIS_URL = {"level": "INFO", "json": True}, "redis://localhost"
    settings.AUTHSVC_CREDENTIAL_WRITE_CIDRS = ["loopback"]
    settings.AUTHSVC_KEKS = "tests-1:" + base64.b64encode(hashlib.sha256(SECRET.encode()).digest()).decode()
    settings.STATE_DIRECTORY = tmp_path
    tmp_path.chmod(0o700)
    monkeypatch.setenv("DATABASE_URL", "postgres://x")
    assert {finding.code for finding in findings() if finding.severity is not Severity.OK} == set()
    return settings


def findings() -> list[Finding]:
    return examine(is_production=True, now=datetime.now().astimezone())


def wrong(settings: Any, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(settings, name, value)


def make_public(path: Path) -> None:
    (path / "keys.json").touch(mode=0o644)
    (path / "keys.json").chmod(0o644)


def expire_a_credential() -> None:
    past = datetime.now().astimezone() - timedelta(days=1)
    Credential.unscoped.update(expires_at_ms=int(past.timestamp() * 1000))


def fail_a_login() -> None:
    """Leave behind what a provider's final refusal leaves behind."""
    credential = Credential.unscoped.filter(state="current")[0]
    owner = {name: getattr(credential, name) for name in ("tenant_id", "environment_id", "profile_id")}
    OAuthRefresh(**owner, failed_version=credential.version, failure_reason="invalid_grant", is_terminal=True).save()


def break_item(code: str, settings: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make exactly this item wrong."""
    ways: dict[str, Callable[[], object]] = {
        "environment": wrong(settings, "AUTHSVC_ENV", "staging"),
        "secret_key": wrong(settings, "AUTHSVC_SECRET_KEY", "change-me"),
        "key_encryption_keys": lambda: monkeypatch.setattr("authsvc.ops.checks.kek_fault", lambda _text: "is missing"),
        "base_url": wrong(settings, "AUTHSVC_BASE_URL", "http://auth.acme.test"),
        "debug": wrong(settings, "DEBUG", True),
        "cors": wrong(settings, "CORS_ALLOW_ALL_ORIGINS", True),
        "database_url": lambda: monkeypatch.delenv("DATABASE_URL"),
        "address_ranges": wrong(settings, "AUTHSVC_METRICS_CIDRS", ["everywhere"]),
        "rate_limits": wrong(settings, "API_RATE_LIMIT", "5000/min"),
        "demo_limits": lambda: monkeypatch.setattr("authsvc.ops.doctor.limits_apply", lambda: False),
        "limit_store": wrong(settings, "REDIS_URL", ""),
        "api_authentication": lambda: monkeypatch.setattr(ChannelList, "required_scopes", {"GET": "channels:read"}),
        "trusted_proxies": wrong(settings, "TRUSTED_PROXY_NETWORKS", networks(["0.0.0.0/0"])),
        "metrics": wrong(settings, "METRICS_NETWORKS", networks(["8.8.8.0/24"])),
        "credential_writes": wrong(settings, "AUTHSVC_CREDENTIAL_WRITE_CIDRS", []),
        "private_files": lambda: make_public(folder),
        "mdns": lambda: monkeypatch.setenv("AGTOS_MDNS", "true"),
        "json_logs": wrong(settings, "LOGGING", {"level": "INFO", "json": False}),
        "secure_cookies": wrong(settings, "SESSION_COOKIE_SECURE", False),
        "database": lambda: DataKey.unscoped.update(kek_id="gone"),
        "operator": lambda: Operator.objects.update(is_active=False),
        "demo": lambda: (folder / "demo-ten_x.json").touch(mode=0o600),
        "passkeys": wrong(settings, "AUTHSVC_BASE_URL", "https://192.0.2.7"),
        "gateway_tokens": lambda: ApiKey.unscoped.filter(kind="gateway_token").update(
            revoked_at=datetime.now().astimezone()
        ),
        "expired_credentials": expire_a_credential,
        "failed_logins": fail_a_login,
        "credential_rotation": lambda: Credential.unscoped.update(
            created_at=datetime.now().astimezone() - timedelta(days=38)
        ),
        "deprecated_profiles": lambda: Profile.unscoped.filter(agent="main").update(key="anthropic:claude-cli"),
        "preferred_kind": lambda: Profile.unscoped.update(kind="token"),
        "retention_holds": lambda: Tenant.objects.update(retention_hold=True),
    }
    ways[code]()


@pytest.mark.parametrize("code", [item.code for item in ITEMS])
def test_each_item_can_fail_alone_and_names_a_remedy(
    code: str, healthy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_item(code, healthy, tmp_path, monkeypatch)
    faults = [finding for finding in findings() if finding.severity is not Severity.OK]
    assert [finding.code for finding in faults] == [code]
    assert faults[0].message
    assert faults[0].remedy
    assert SECRET not in json.dumps([asdict(fault) for fault in faults])


def test_item_codes_are_unique_and_name_who_asks() -> None:
    assert len({item.code for item in ITEMS}) == len(ITEMS)
    asked = " ".join(item.asked_by for item in ITEMS)
    assert all(product in asked for product in ("agtOS", "agno", "openclaw", "clawdbot", "ArgentOS"))


def test_development_is_not_judged_by_production_unless_asked(healthy: Any) -> None:
    healthy.AUTHSVC_ENV, healthy.PRODUCTION = "development", False
    codes = {finding.code for finding in examine(is_production=False, now=datetime.now().astimezone())}
    assert "environment" not in codes
    assert {finding.code for finding in findings()} - codes == {item.code for item in ITEMS if item.production_only}


@pytest.mark.parametrize(
    ("severity", "code", "expected"),
    [
        (Severity.OK, "x", 0),
        (Severity.ADVICE, "x", 0),
        (Severity.WARNING, "x", 0),
        (Severity.ERROR, "x", 1),
        (Severity.ERROR, "database", 3),
    ],
)
def test_exit_code_says_broken_or_could_not_tell(severity: Severity, code: str, expected: int) -> None:
    assert exit_code([Finding("fine", Severity.OK, ""), Finding(code, severity, "")]) == expected


def test_database_away_is_named_and_stops_no_other_item(healthy: Any) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        found = {finding.code: finding for finding in findings()}
    assert found["database"].message == "database_unavailable."
    assert found["operator"].severity is Severity.WARNING
    assert found["secret_key"].severity is Severity.OK
    assert exit_code(found.values()) == 3


def test_command_prints_one_document_with_limits_in_force(healthy: Any) -> None:
    out = StringIO()
    call_command("doctor", "--json", "--production", stdout=out)
    document = json.loads(out.getvalue())
    assert {finding["code"] for finding in document["findings"]} == {item.code for item in ITEMS}
    assert document["limits"]["general"] == "100 in 60 s"
    text = StringIO()
    call_command("doctor", stdout=text)
    assert "sensitive            20 in 60 s" in text.getvalue()


def test_command_ends_with_one_when_something_is_wrong(healthy: Any) -> None:
    healthy.DEBUG = True
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=StringIO())
    assert end.value.code == 1


def test_lifted_limits_are_shown_as_unlimited(settings: Any) -> None:
    settings.AUTHSVC_DEMO_LIMITS, settings.PRODUCTION = "off", False
    assert set(limits_document().values()) == {"unlimited"}
