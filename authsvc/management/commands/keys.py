"""``keys list|rotate|retire|export-jwks``: the signing keys of one environment."""

from __future__ import annotations

import json
import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from authsvc.gate.jwks import jwks_document
from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place
from authsvc.tenants.services import get_environment
from authsvc.tokens.keys import retire_key
from authsvc.tokens.models import SigningKey
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound
from rbac.services.key_rotation import activate_key, rotate_key, waiting_gateways

Document = dict[str, Any]


class Command(HouseCommand):
    """Show, rotate, retire and export signing keys."""

    help = "Show, rotate, retire and export the signing keys of one environment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and options."""
        parser.add_argument("action", choices=["list", "rotate", "retire", "export-jwks"])
        add_place(parser)
        parser.add_argument("--algorithm", default="RS256", help="rotate: RS256, ES256 or EdDSA")
        parser.add_argument("--activate", action="store_true", help="rotate: sign with the published next key")
        parser.add_argument("--force", action="store_true", help="activate although a gateway lacks the key")
        parser.add_argument("--reason", default="", help="why; required with --force and by retire")
        parser.add_argument("--kid", default="", help="retire: which key")
        parser.add_argument("--output", default="", help="export-jwks: a file, written 0600 and at once")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        actions: dict[str, Callable[[Caller, dict[str, Any], datetime], Document]] = {
            "list": _list,
            "rotate": _rotate,
            "retire": _retire,
            "export-jwks": _export,
        }
        document = actions[options["action"]](self.place(options), options, now)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(_lines(document))
        return Exit.OK


def write_atomically(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def _list(caller: Caller, _options: dict[str, Any], _now: datetime) -> Document:
    return {"keys": [_row(caller, key) for key in SigningKey.objects.for_environment(caller)]}


def _rotate(caller: Caller, options: dict[str, Any], now: datetime) -> Document:
    if options["force"] and not options["reason"].strip():
        raise CommandError("--force needs --reason.", returncode=Exit.USAGE)
    if not options["activate"]:
        return {"keys": [_row(caller, rotate_key(caller, algorithm=options["algorithm"], now=now))]}
    reason = options["reason"].strip() if options["force"] else ""
    key = activate_key(caller, algorithm=options["algorithm"], force_reason=reason, now=now)
    return {"keys": [_row(caller, key)]}


def _retire(caller: Caller, options: dict[str, Any], now: datetime) -> Document:
    if not options["kid"] or not options["reason"].strip():
        raise CommandError("retire needs --kid and --reason.", returncode=Exit.USAGE)
    key = SigningKey.objects.for_environment(caller).filter(kid=options["kid"]).first()
    if key is None:
        raise NotFound("There is no such key here.")
    return {"keys": [_row(caller, retire_key(caller, key=key, reason=options["reason"], now=now))]}


def _export(caller: Caller, options: dict[str, Any], _now: datetime) -> Document:
    environment = get_environment(tenant=caller.tenant, environment=caller.environment)
    document: Document = dict(jwks_document(environment))
    if options["output"]:
        try:
            write_atomically(Path(options["output"]), json.dumps(document, indent=1))
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}", returncode=Exit.BROKEN) from error
    return document


def _row(caller: Caller, key: SigningKey) -> Document:
    waiting = [gateway.id for gateway in waiting_gateways(caller, key)] if key.state == "next" else []
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": str(key.state),
        "created_at": key.created_at.isoformat(),
        "activated_at": key.activated_at.isoformat() if key.activated_at else None,
        "retire_at": key.retire_at.isoformat() if key.retire_at else None,
        "not_acknowledged_by": waiting,
    }


def _lines(document: Document) -> list[str]:
    return [
        f"{key['kid']}  {key.get('algorithm', key.get('alg', ''))}  {key.get('state', key.get('use', ''))}"
        + (f"  not acknowledged by {', '.join(key['not_acknowledged_by'])}" if key.get("not_acknowledged_by") else "")
        for key in document["keys"]
    ]
