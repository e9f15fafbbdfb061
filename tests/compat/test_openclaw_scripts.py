"""The two files that gateway hosts copy, run as programs against a live server: protocol, lines, files, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, LiveServer

RESOLVE = ROOT / "deploy" / "gateway" / "authsvc-resolve"
SYNC = ROOT / "deploy" / "gateway" / "authsvc-sync"
OLDEST = "3.9"


@cache
def _pythons() -> tuple[str, ...]:
    """Return this Python and, where it is installed, the oldest that gateways may have."""
    found = [sys.executable]
    candidates = [
        shutil.which(f"python{OLDEST}"),
        *sorted(map(str, Path("~/.pyenv/versions").expanduser().glob(f"{OLDEST}.*/bin/python"))),
    ]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            found.append(candidate)
            break
    return tuple(found)


def _run(
    program: Path, live: LiveServer, *arguments: str, stdin: str = "", place: str = "acme/prod", **settings: str
) -> subprocess.CompletedProcess[str]:
    python = settings.pop("PYTHON", sys.executable)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AUTHSVC_URL": live.base_url,
        "AUTHSVC_TOKEN": live.place(place)["api_key"],
        **settings,
    }
    command = [python, str(program), *arguments]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )


def _ask(live: LiveServer, ids: list[str], **settings: str) -> dict[str, Any]:
    request = json.dumps({"protocolVersion": 1, "provider": "authsvc", "ids": ids})
    done = _run(RESOLVE, live, stdin=request, **settings)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _send(live: LiveServer, method: str, path: str, body: Any = None, place: str = "acme/prod") -> Any:
    headers = {"Authorization": f"Bearer {live.place(place)['api_key']}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{live.base_url}/api/v1{path}", data, headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        raw = answer.read()
    return json.loads(raw) if raw else None


def _store(live: LiveServer, provider: str, name: str = "default", kind: str = "api_key", value: str = "") -> str:
    """Store a secret of its own for every test, replacing what an earlier test left."""
    found = _send(live, "GET", f"/profiles?profile={provider}:{name}")["results"]
    for profile in found:
        _send(live, "DELETE", f"/profiles/{profile['id']}")
    secret = value or f"secret-of-{provider}-{name}"
    _send(live, "POST", "/profiles", {"provider": provider, "name": name, "kind": kind, "value": secret})
    return secret


@pytest.mark.parametrize("python", _pythons())
def test_exec_protocol_answers_values_and_not_found(live: LiveServer, python: str) -> None:
    _store(live, "exec-llm", "default", value="main-secret-1")
    _store(live, "exec-llm", "work", "token", value="work-secret-2")
    _send(live, "PUT", "/order/exec-llm", {"profiles": ["exec-llm:default", "exec-llm:work"]})
    answer = _ask(
        live,
        [
            "acme/prod/exec-llm",
            "acme/prod/exec-llm#key",
            "acme/prod/exec-llm:work",
            "acme/prod/exec-llm:work#token",
            "acme/prod/exec-llm:work#kind",
            "acme/prod/exec-llm:work#key",
            "acme/prod/exec-llm:gone",
            "acme/prod/nobody",
            "acme/dev/exec-llm",
            "globex/prod/exec-llm",
            "no-place",
        ],
        PYTHON=python,
    )
    assert answer["protocolVersion"] == 1
    assert answer["values"] == {
        "acme/prod/exec-llm": "main-secret-1",
        "acme/prod/exec-llm#key": "main-secret-1",
        "acme/prod/exec-llm:work": "work-secret-2",
        "acme/prod/exec-llm:work#token": "work-secret-2",
        "acme/prod/exec-llm:work#kind": "token",
    }
    assert len(answer["errors"]) == 6
    assert {error["code"] for error in answer["errors"].values()} == {"NOT_FOUND"}


def test_exec_protocol_follows_what_a_refs_export_wrote(live: LiveServer) -> None:
    secret = _store(live, "refs-llm")
    document = _send(live, "GET", "/profiles/export?secrets=refs")["document"]
    reference = document["profiles"]["refs-llm:default"]["keyRef"]
    assert (reference["source"], reference["provider"]) == ("exec", "authsvc")
    assert _ask(live, [reference["id"]])["values"] == {reference["id"]: secret}


@pytest.mark.parametrize(
    ("stdin", "code"),
    [
        ("", 64),
        ("[]", 64),
        ('{"protocolVersion": 2, "ids": []}', 64),
        ('{"protocolVersion": 1, "ids": [7]}', 64),
        (json.dumps({"protocolVersion": 1, "ids": ["x"] * 513}), 64),
        (json.dumps({"protocolVersion": 1, "ids": ["x" * (1024 * 1024)]}), 64),
        ('{"protocolVersion": 1, "ids": []}', 0),
    ],
)
def test_exec_protocol_bad_requests_print_nothing(live: LiveServer, stdin: str, code: int) -> None:
    done = _run(RESOLVE, live, stdin=stdin)
    assert done.returncode == code
    assert (done.stdout == "") is (code != 0)


def test_exec_protocol_takes_512_ids(live: LiveServer) -> None:
    secret = _store(live, "many-llm")
    ids = ["acme/prod/many-llm", *(f"elsewhere/prod/p{number}" for number in range(511))]
    answer = _ask(live, ids)
    assert answer["values"] == {"acme/prod/many-llm": secret}
    assert len(answer["errors"]) == 511


def test_cooling_credential_is_an_error_of_its_own(live: LiveServer) -> None:
    _store(live, "cool-llm")
    profile = _send(live, "GET", "/profiles?profile=cool-llm:default")["results"][0]
    _send(live, "POST", "/credentials/report", {"profile_id": profile["id"], "outcome": "failure", "reason": "billing"})
    assert _ask(live, ["acme/prod/cool-llm"])["errors"] == {"acme/prod/cool-llm": {"code": "ALL_IN_COOLDOWN"}}
    done = _run(RESOLVE, live, "--env", "cool-llm", "--env-fallback", COOL_LLM_API_KEY="mine")
    assert (done.returncode, done.stdout) == (1, "")


def test_unreachable_or_refusing_service_prints_nothing(live: LiveServer) -> None:
    request = json.dumps({"protocolVersion": 1, "ids": ["acme/prod/anthropic"]})
    away = _run(RESOLVE, live, stdin=request, AUTHSVC_URL="http://127.0.0.1:9")
    assert (away.returncode, away.stdout) == (3, "")
    refused = _run(RESOLVE, live, stdin=request, AUTHSVC_TOKEN="ask_prod_nothing_x")
    assert (refused.returncode, refused.stdout) == (1, "")
    plain = _run(RESOLVE, live, stdin=request, AUTHSVC_URL="http://authsvc.example")
    assert (plain.returncode, plain.stdout) == (64, "")


@pytest.mark.parametrize(
    ("stored", "own", "options", "expected"),
    [
        (True, True, (), "profile"),
        (True, False, ("--env-fallback",), "profile"),
        (True, True, ("--env-fallback",), "profile"),
        (True, True, ("--prefer", "env"), "env"),
        (False, True, ("--env-fallback",), "env"),
        (False, True, (), None),
        (False, False, ("--env-fallback",), None),
    ],
)
def test_env_line_takes_profile_before_environment(
    live: LiveServer, stored: bool, own: bool, options: tuple[str, ...], expected: str | None
) -> None:
    provider = "line-llm" if stored else "empty-llm"
    name = f"{provider.upper().replace('-', '_')}_API_KEY"
    values = {"profile": _store(live, provider) if stored else "", "env": "from-environment"}
    done = _run(RESOLVE, live, "--env", provider, *options, **({name: values["env"]} if own else {}))
    if expected is None:
        assert (done.returncode, done.stdout) == (1, "")
        return
    assert (done.returncode, done.stdout) == (0, f"{name}={values[expected]}\n")
    assert f"source={expected}" in done.stderr


def test_env_line_is_safe_for_eval(live: LiveServer, tmp_path: Path) -> None:
    for number, value in enumerate(["a'b", 'a"b', "a b", "a$(touch pwned)", "a;b", "a`b`", "a\\b"]):
        _store(live, "evil-llm", value=f"{value}-{number}")
        done = _run(RESOLVE, live, "--env", "evil-llm")
        assert (done.returncode, done.stdout) == (1, "")
        assert value not in done.stderr
    secret = _store(live, "good-llm", value="sk-or-v1/abc+def=_%.,:@-9")
    done = _run(RESOLVE, live, "--env", "good-llm=MY_KEY")
    shell = subprocess.run(
        ["bash", "-c", 'eval "$1"; printf %s "$MY_KEY"', "-", done.stdout],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert shell.stdout == secret


def test_token_file_that_others_can_read_is_refused(live: LiveServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(live.place("acme/prod")["api_key"] + "\n")
    token.chmod(0o644)
    assert _run(RESOLVE, live, "--env", "anthropic", AUTHSVC_TOKEN="", AUTHSVC_TOKEN_FILE=str(token)).returncode == 64
    token.chmod(0o600)
    config = tmp_path / "gateway.env"
    config.write_text(f"AUTHSVC_TOKEN_FILE={token}\n")
    done = _run(RESOLVE, live, "--env", "anthropic", AUTHSVC_TOKEN="", AUTHSVC_CONFIG=str(config))
    assert done.returncode == 0
    assert done.stdout.startswith("ANTHROPIC_API_KEY=sk-ant-api03-DEMO-")


@pytest.mark.parametrize("python", _pythons())
def test_sync_writes_private_files_once(live: LiveServer, tmp_path: Path, python: str) -> None:
    _store(live, "sync-llm", value="sync-secret-1")
    paths = [tmp_path / "agent" / "auth-profiles.json", tmp_path / "agent" / ".env", tmp_path / "jwks.json"]
    wanted = ("--auth-profiles", str(paths[0]), "--env-file", str(paths[1]), "--jwks", str(paths[2]))
    first = _run(SYNC, live, *wanted, "--changed-exit-code", "9", PYTHON=python)
    assert first.returncode == 9, first.stderr
    assert "sync-secret-1" not in first.stdout + first.stderr
    assert [stat.S_IMODE(path.stat().st_mode) for path in (*paths, paths[0].parent)] == [0o600] * 3 + [0o700]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths]
    assert _run(SYNC, live, *wanted, "--changed-exit-code", "9", PYTHON=python).returncode == 0
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths] == before
    assert json.loads(paths[0].read_text())["profiles"]["sync-llm:default"]["key"] == "sync-secret-1"
    assert "SYNC_LLM_API_KEY=sync-secret-1\n" in paths[1].read_text()
    assert {key["use"] for key in json.loads(paths[2].read_text())["keys"]} == {"sig"}


def test_sync_acknowledges_the_keys_as_the_gateway_once_it_was_restarted(live: LiveServer, tmp_path: Path) -> None:
    path, restarts = tmp_path / "jwks.json", tmp_path / "restarts"
    gateway = _send(live, "POST", "/gateways", {"name": "Restarted", "audience": "restarted"}, place="globex/dev")["id"]
    issued = _send(live, "POST", f"/gateways/{gateway}/tokens", {"name": "restarted"}, place="globex/dev")
    token = tmp_path / "gateway-token"
    token.write_text(issued["secret"])
    token.chmod(0o600)

    def run(command: str, *more: str, **settings: str) -> int:
        wanted = ("--jwks", str(path), "--restart", command, "--changed-exit-code", "9", *more)
        return _run(
            SYNC, live, *wanted, AUTHSVC_GATEWAY_TOKEN_FILE=str(token), place="globex/dev", **settings
        ).returncode

    def kids(field: str) -> set[str]:
        return set(_send(live, "GET", f"/gateways/{gateway}", place="globex/dev")[field])

    assert run("false") == 1
    written = {key["kid"] for key in json.loads(path.read_text())["keys"]}
    assert (kids("fetched_kids"), kids("acknowledged_kids")) == (written, set())
    assert run(f"touch {restarts}") == 0
    assert (restarts.exists(), kids("acknowledged_kids")) == (True, written)
    path.unlink()
    assert run("true", AUTHSVC_TOKEN="") == 9  # the gateway's token alone is enough for the key set
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gateway-token", "jwks.json", "restarts"]


def test_sync_with_another_proof_acknowledges_nothing(live: LiveServer, tmp_path: Path) -> None:
    assert _run(SYNC, live, "--jwks", str(tmp_path / "jwks.json"), place="globex/prod").returncode == 0
    gateway = _send(live, "GET", f"/gateways/{live.place('globex/prod')['gateway']['id']}", place="globex/prod")
    assert gateway["acknowledged_kids"] == []


def test_sync_keeps_what_it_does_not_own(live: LiveServer, tmp_path: Path) -> None:
    _store(live, "keep-llm", value="keep-secret-1")
    path, lines = tmp_path / "auth-profiles.json", tmp_path / ".env"
    foreign = {
        "version": 1,
        "profiles": {"mine:local": {"type": "api_key", "provider": "mine", "key": "local-key"}},
        "order": {"mine": ["mine:local"]},
        "usageStats": {"mine:local": {"lastUsed": 7}},
        "lastGood": {"mine": "mine:local"},
        "providerStats": {"mine": {"circuit": "open"}},
    }
    path.write_text(json.dumps(foreign))
    lines.write_text("# mine\nEDITOR=vi\nKEEP_LLM_API_KEY=old\n")
    wanted = ("--auth-profiles", str(path), "--env-file", str(lines))
    assert _run(SYNC, live, *wanted, "--changed-exit-code", "9").returncode == 9
    merged = json.loads(path.read_text())
    assert merged["profiles"]["mine:local"] == foreign["profiles"]["mine:local"]  # type: ignore[index]
    assert {key: merged[key] for key in ("usageStats", "lastGood", "providerStats")} == {
        key: foreign[key] for key in ("usageStats", "lastGood", "providerStats")
    }
    assert merged["order"]["mine"] == ["mine:local"]
    assert lines.read_text().startswith("# mine\nEDITOR=vi\nKEEP_LLM_API_KEY=keep-secret-1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = _send(live, "GET", "/profiles?profile=keep-llm:default")["results"][0]
    _send(live, "DELETE", f"/profiles/{found['id']}")
    assert _run(SYNC, live, *wanted, "--changed-exit-code", "9").returncode == 9
    assert "keep-llm:default" not in path.read_text()
    assert "KEEP_LLM_API_KEY" not in lines.read_text()
    assert "mine:local" in path.read_text()
    assert "EDITOR=vi" in lines.read_text()


def test_sync_leaves_unreadable_file_and_all_files_alone_when_service_is_away(live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "auth-profiles.json"
    path.write_text('{"version": 1, "profi')
    assert _run(SYNC, live, "--auth-profiles", str(path)).returncode == 1
    assert _run(SYNC, live, "--auth-profiles", str(path), AUTHSVC_URL="http://127.0.0.1:9").returncode == 3
    assert path.read_text() == '{"version": 1, "profi'
    assert _run(SYNC, live).returncode == 64
    assert _run(SYNC, live, "--nonsense").returncode == 64


def test_sync_refs_file_holds_no_secret(live: LiveServer, tmp_path: Path) -> None:
    secret = _store(live, "bare-llm", value="never-on-this-disk")
    path = tmp_path / "auth-profiles.json"
    assert _run(SYNC, live, "--auth-profiles", str(path), "--secrets", "refs").returncode == 0
    assert secret not in path.read_text()
    assert "acme/prod/bare-llm:default" in path.read_text()
