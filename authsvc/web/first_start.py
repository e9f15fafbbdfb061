"""Development secrets: made once on the first start, kept 0600, never in production."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

FILE_NAME = "development-secrets.json"


def development_secret(directory: Path, name: str, production: bool) -> str:  # noqa: FBT001 - one caller, settings
    """Return the secret called ``name`` from the file in ``directory``, making all of them when the file is missing.

    In production it returns an empty string, which the start-up checks refuse. Two processes starting at
    once agree: the file is created exclusively, and the one that loses reads the winner's.
    """
    if production:
        return ""
    path = directory / FILE_NAME
    if not path.exists():
        _create(path)
    return str(json.loads(path.read_text())[name])


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = {
        "secret_key": secrets.token_urlsafe(48),
        "keks": "dev-1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    staged = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(fresh, file)
    try:
        os.link(staged, path)
    except FileExistsError:
        pass
    finally:
        staged.unlink()
