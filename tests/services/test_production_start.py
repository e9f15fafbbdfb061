"""A production process refuses to start on anything unsafe, with a numbered error, what to do, and no secret shown."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import warm
from tests.live import ROOT, free_port

GOOD_KEY = secrets.token_urlsafe(48)
GOOD_KEK = base64.b64encode(secrets.token_bytes(32)).decode()
SHORT = "Zq8-kV3_wX1mP5rT"
WSGI = ["-c", "import authsvc.wsgi"]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")

# The number of the error: what is changed in a good environment, by name.
UNSAFE: dict[str, dict[str, dict[str, str | None]]] = {
    "E001": {
        "secret key missing": {"AUTHSVC_SECRET_KEY": None},
        "secret key empty": {"AUTHSVC_SECRET_KEY": ""},
        "secret key short": {"AUTHSVC_SECRET_KEY": SHORT},
        "secret key of Django's template": {"AUTHSVC_SECRET_KEY": f"django-insecure-{GOOD_KEY}"},
        "secret key sample": {"AUTHSVC_SECRET_KEY": f"change-me-{GOOD_KEY}"},
        "secret key repeated": {"AUTHSVC_SECRET_KEY": "abcd" * 16},
        "secret key one character": {"AUTHSVC_SECRET_KEY": "x" * 64},
    },
    "E002": {
        "KEK missing": {"AUTHSVC_KEKS": None},
        "KEK short": {"AUTHSVC_KEKS": "k1:" + base64.b64encode(secrets.token_bytes(16)).decode()},
        "KEK zero": {"AUTHSVC_KEKS": "k1:" + base64.b64encode(bytes(32)).decode()},
        "KEK counted": {"AUTHSVC_KEKS": "k1:" + base64.b64encode(bytes(range(32))).decode()},
        "KEK of words": {"AUTHSVC_KEKS": "k1:" + base64.b64encode(b"correct horse battery staple 123").decode()},
        "KEK not base64": {"AUTHSVC_KEKS": "k1:" + "!" + GOOD_KEK[1:]},
        "KEK without id": {"AUTHSVC_KEKS": GOOD_KEK},
        "KEK id twice": {"AUTHSVC_KEKS": f"k1:{GOOD_KEK},k1:{GOOD_KEK[::-1].lstrip('=')}="},
        "second KEK bad": {"AUTHSVC_KEKS": f"k1:{GOOD_KEK},k2:AAAA"},
    },
    "E003": {
        "base URL missing": {"AUTHSVC_BASE_URL": None},
        "base URL http": {"AUTHSVC_BASE_URL": "http://auth.example.org"},
        "base URL without host": {"AUTHSVC_BASE_URL": "https://"},
        "base URL with a password": {"AUTHSVC_BASE_URL": "https://user:hunter2hunter2@auth.example.org"},
    },
    "E004": {
        "AUTHSVC_DEBUG": {"AUTHSVC_DEBUG": "1"},
        "DEBUG": {"DEBUG": "true"},
    },
    "E005": {
        "CORS star": {"AUTHSVC_CORS_ORIGINS": "*"},
        "CORS star among others": {"AUTHSVC_CORS_ORIGINS": "https://a.example,*"},
    },
    "E006": {
        "environment misspelt": {"AUTHSVC_ENV": "prod"},
    },
    "E007": {
        "database missing": {"DATABASE_URL": None},
    },
    "E008": {
        "trusted proxies": {"AUTHSVC_TRUSTED_PROXIES": "10.0.0.0/99"},
        "metrics range": {"AUTHSVC_METRICS_CIDRS": "localhost"},
        "write range": {"AUTHSVC_CREDENTIAL_WRITE_CIDRS": "10.0.0.0/8,everywhere"},
    },
}
# One start for one fault of each number; a misspelt environment is told alone.
STARTS = [
    {number: names[turn] for number, faults in UNSAFE.items() if len(names := list(faults)) > turn and number != "E006"}
    for turn in range(max(map(len, UNSAFE.values())))
] + [{"E006": "environment misspelt"}]
FROM_FILES = {"E001": "secret key sample", "E002": "KEK zero", "E003": "base URL http", "E005": "CORS star"}
BY_COMMAND = {"E001": "secret key missing", "E007": "database missing"}


def environment(folder: Path, changes: dict[str, str | None]) -> dict[str, str]:
    """Return a clean environment in which production starts, with the changes; ``None`` removes a name."""
    good: dict[str, str | None] = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "authsvc.settings",
        "AUTHSVC_ENV": "production",
        "AUTHSVC_SECRET_KEY": GOOD_KEY,
        "AUTHSVC_KEKS": f"k1:{GOOD_KEK}",
        "AUTHSVC_BASE_URL": "https://auth.example.org",
        "AUTHSVC_CORS_ORIGINS": "https://app.example.org",
        "DATABASE_URL": f"sqlite:///{folder / 'production.sqlite3'}",
        **changes,
    }
    return {name: value for name, value in good.items() if value is not None}


def start(command: list[str], folder: Path, changes: dict[str, str | None]) -> tuple[int, str]:
    """Run ``python`` with these arguments to its end; what loads none of our modules is loaded once for all starts."""
    done = warm.run(command, environment(folder, changes))
    return done.returncode, done.stdout + done.stderr


def changes_of(faults: dict[str, str]) -> dict[str, str | None]:
    """Return what these faults, one of each number, change together."""
    return {name: value for number, fault in faults.items() for name, value in UNSAFE[number][fault].items()}


def require_refusal(code: int, output: str, numbers: Iterable[str], changes: dict[str, str | None]) -> None:
    """Fail unless exactly these numbers are told, each with what to do, and no secret."""
    assert code != 0
    told = dict(re.findall(r"authsvc\.(E[0-9]{3})\W+(.*)", output))
    assert set(told) == set(numbers)
    assert min(map(len, told.values())) > 20
    for name, value in changes.items():
        secret = name in {"AUTHSVC_SECRET_KEY", "AUTHSVC_KEKS"} or "hunter2" in str(value)
        for part in str(value).replace(",", ":").split(":") if secret and value else []:
            assert len(part) < 8 or part not in output
    assert GOOD_KEY[:16] not in output
    assert GOOD_KEK[:16] not in output
    assert "hunter2" not in output


@pytest.mark.parametrize("faults", STARTS, ids=lambda faults: ", ".join(faults.values()))
def test_production_with_unsafe_settings_refuses_to_start_and_names_each(
    tmp_path: Path, faults: dict[str, str]
) -> None:
    changes = changes_of(faults)
    code, output = start(WSGI, tmp_path, changes)
    require_refusal(code, output, faults, changes)


def test_production_with_unsafe_settings_from_files_refuses_to_start(tmp_path: Path) -> None:
    changes = changes_of(FROM_FILES)
    from_files: dict[str, str | None] = {}
    for setting, value in changes.items():
        (tmp_path / setting).write_text(f"{value}\n")
        from_files |= {setting: None, f"{setting}_FILE": str(tmp_path / setting)}
    code, output = start(WSGI, tmp_path, from_files)
    require_refusal(code, output, FROM_FILES, changes)


@pytest.mark.parametrize("command", ["check", "migrate"])
def test_production_commands_refuse_unsafe_settings(tmp_path: Path, command: str) -> None:
    changes = changes_of(BY_COMMAND)
    code, output = start(["manage.py", command], tmp_path, changes)
    require_refusal(code, output, BY_COMMAND, changes)
    database = tmp_path / "production.sqlite3"
    assert not database.exists() or database.stat().st_size == 0


def test_production_with_an_unreadable_secret_file_refuses_to_start(tmp_path: Path) -> None:
    gone: dict[str, str | None] = {
        "AUTHSVC_SECRET_KEY": None,
        "AUTHSVC_SECRET_KEY_FILE": str(tmp_path / "gone"),
    }
    code, output = start(WSGI, tmp_path, gone)
    assert code != 0
    assert GOOD_KEK[:16] not in output


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that production's own ``migrate`` has made ready."""
    folder = tmp_path_factory.mktemp("migrated")
    code, output = start(["manage.py", "migrate", "-v0"], folder, {})
    assert code == 0, output
    return folder / "production.sqlite3"


@pytest.mark.parametrize("from_files", [False, True], ids=["environment", "files"])
def test_production_with_everything_right_starts_and_answers(tmp_path: Path, migrated: Path, from_files: bool) -> None:
    port = free_port()
    changes: dict[str, str | None] = {"GUNICORN_BIND": f"127.0.0.1:{port}", "GUNICORN_WORKERS": "1"}
    if from_files:
        for name, value in (("AUTHSVC_SECRET_KEY", GOOD_KEY), ("AUTHSVC_KEKS", f"k1:{GOOD_KEK}")):
            (tmp_path / name).write_text(f"{value}\n")
            changes |= {name: None, f"{name}_FILE": str(tmp_path / name)}
    shutil.copy(migrated, tmp_path / "production.sqlite3")
    log = (tmp_path / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
        env=environment(tmp_path, changes),
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    try:
        wait_for_port(port, server)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
            assert answer.status == 200
        stranger = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/me", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(stranger, timeout=10)  # noqa: S310
        assert refused.value.code == 400
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()
        log.close()
    assert GOOD_KEY not in (tmp_path / "log").read_text()


def wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")
