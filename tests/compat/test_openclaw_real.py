"""The real openclaw, told to ask our resolver: its audit is clean, its check passes, and a wrong id shows no secret."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.compat.openclaw_cli import OpenclawHome, openclaw_home
from tests.live import LiveServer
from tests.scale import scaled

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
AUDIT = ("secrets", "audit", "--allow-exec")
CHECK = ("models", "status", "--check")
SECONDS = 240


@pytest.fixture
def home(live: LiveServer, tmp_path: Path) -> OpenclawHome:
    """Return a gateway account that leases from acme/prod."""
    return openclaw_home(tmp_path, live, live.place("acme/prod"))


def _ran(home: OpenclawHome, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run commands beside each other; return their codes and outputs."""
    running = [home.start(*arguments) for arguments in commands]
    outputs = [each.communicate(timeout=SECONDS)[0] for each in running]
    return [(each.returncode, output) for each, output in zip(running, outputs, strict=True)]


def _secret(live: LiveServer) -> str:
    answer = httpx.post(
        f"{live.base_url}/api/v1/credentials/resolve",
        json={"provider": "anthropic"},
        headers={"Authorization": f"Bearer {live.place('acme/prod')['api_key']}"},
        timeout=30,
    )
    return str(answer.json()["value"])


def test_gateway_with_our_resolver_is_audited_clean_and_checks_fine(live: LiveServer, home: OpenclawHome) -> None:
    home.configure(anthropic="acme/prod/anthropic")
    (audit_code, audit), (check_code, check) = _ran(home, AUDIT, CHECK)
    assert audit_code == 0, audit
    assert "Secrets audit: clean. plaintext=0, unresolved=0" in audit
    assert check_code == 0, check
    assert "marker(secretref-managed)" in check
    assert _secret(live) not in audit + check
    kept = [path for path in (home.folder / ".openclaw").rglob("*") if path.is_file()]
    assert [path for path in kept if _secret(live).encode() in path.read_bytes()] == []


def test_gateway_with_an_unknown_id_gets_its_error_and_no_secret(live: LiveServer, home: OpenclawHome) -> None:
    home.configure(anthropic="acme/prod/anthropic", openai="acme/prod/nobody")
    (audit_code, audit), *checked = _ran(home, AUDIT, *[CHECK] * scaled(0, 1))
    assert audit_code == 2
    assert "[REF_UNRESOLVED]" in audit
    assert "NOT_FOUND" in audit
    assert _secret(live) not in audit
    for code, check in checked:
        assert code == 1
        assert "failed to resolve secrets" in check
        assert _secret(live) not in check
