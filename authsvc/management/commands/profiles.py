"""``profiles import|export|probe|clear-cooldown|settings``: files of gateways in and out, and credentials that rest.

Secrets are read from a file or standard input and written only to a path that was named, 0600; none is printed.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.management.private_files import write_private
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText
from profiles.interchange.render import RefreshTokens, SecretsMode
from profiles.models import DEFAULT_AGENT
from profiles.services.exporting import EXPORT_FORMATS, Export, ExportQuery, export_store
from profiles.services.importing import FORMATS, ImportResult, StoreNotImportable, Unlock, import_store, read_store
from profiles.services.importing import findings_document as shown
from profiles.services.probe import probe_document, probe_profile
from profiles.services.settings import profile_settings, update_profile_settings
from profiles.services.store import find_profile
from profiles.services.usage import clear_cooldown
from profiles.usage_serializers import SettingsInput, SettingsOutput

STATE_FILE = "auth-state.json"
PROBE_EXITS = {"accepted": Exit.OK, "refused": Exit.BROKEN, "unknown": Exit.UNKNOWN}
IGNORE_HINT = "Never commit this file: name it in .gitignore, and delete it when the gateway has read it."


class Command(HouseCommand):
    """Files of gateways in and out, and credentials that rest."""

    help = "Import and export the credential files of gateways; try a credential, end its cooldown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        verbs = add_verbs(parser)
        taking = verbs.add_parser("import", help="take over a gateway's file: all of it or nothing")
        add_place(taking, required=False)
        taking.add_argument("--format", required=True, choices=FORMATS)
        taking.add_argument("--file", default="-", help="the file; - is standard input")
        taking.add_argument("--state", default="", help="auth-state.json, where routing state is kept apart")
        taking.add_argument("--passphrase-file", default="", help="for agtos: a file with its secret")
        taking.add_argument("--salt", default="", help="for agtos: the salt, in hex")
        taking.add_argument("--agent", default=DEFAULT_AGENT)
        taking.add_argument("--dry-run", action="store_true", help="only show what would be done")
        add_json(taking)
        giving = verbs.add_parser("export", help="write a gateway's file")
        add_place(giving, required=False)
        giving.add_argument("--format", default="openclaw", choices=EXPORT_FORMATS)
        giving.add_argument("--secrets", default=SecretsMode.NONE.value, choices=[mode.value for mode in SecretsMode])
        giving.add_argument("--with-refresh-tokens", action="store_true", help="whoever holds one can use it up")
        giving.add_argument("--output", required=True, help="the file to write, 0600")
        giving.add_argument("--agent", default=DEFAULT_AGENT)
        add_json(giving)
        rules = verbs.add_parser("settings", help="show or change how credentials are chosen, rested and handed out")
        add_place(rules, required=False)
        rules.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="VALUE empty for none")
        add_json(rules)
        _add_profile(verbs.add_parser("probe", help="try it at its provider: 0 accepted, 1 refused, 3 unknown"))
        _add_profile(verbs.add_parser("clear-cooldown", help="end every cooldown of a profile, after a top-up"))

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run one verb."""
        verbs = {
            "import": self._import,
            "export": self._export,
            "probe": self._probe,
            "clear-cooldown": self._clear_cooldown,
            "settings": self._settings,
        }
        return verbs[options["verb"]](options, now)

    def _import(self, options: dict[str, Any], now: datetime) -> Exit:
        caller = self.chosen_place(options)
        state = _read(options["state"]) if options["state"] else None
        store = read_store(options["format"], _read(options["file"]), state, _unlock(options))
        try:
            result = import_store(
                caller,
                store,
                format_name=options["format"],
                agent=options["agent"],
                dry_run=options["dry_run"],
                now=now,
            )
        except StoreNotImportable as refused:
            self.print_lines(
                [f"{each['severity']}: {each['profile']}: {each['detail']}" for each in _findings(refused)]
            )
            raise
        if options["json"]:
            self.print_json(import_document(result))
        else:
            self.print_lines([f"{entry['profile']}: {entry['outcome']}" for entry in result.entries])
        return Exit.OK

    def _export(self, options: dict[str, Any], now: datetime) -> Exit:
        query = ExportQuery(
            format=options["format"],
            secrets=SecretsMode(options["secrets"]),
            refresh_tokens=RefreshTokens.INCLUDE if options["with_refresh_tokens"] else RefreshTokens.OMIT,
            agent=options["agent"],
        )
        export = export_store(self.chosen_place(options), query, now=now)
        written = _write(Path(options["output"]), export)
        if options["json"]:
            self.print_json({"written": [str(path) for path in written], "findings": shown(export.findings)})
        else:
            self.print_lines([*(f"Wrote {path}" for path in written), IGNORE_HINT])
        return Exit.OK

    def _probe(self, options: dict[str, Any], now: datetime) -> Exit:
        caller = self.chosen_place(options)
        found = probe_document(probe_profile(caller, profile_id=_profile_id(caller, options), now=now))
        if options["json"]:
            self.print_json(found)
        else:
            said = found["reason"] or f"HTTP {found['http_status']}"
            self.print_lines([f"{found['profile']}: {found['outcome']}, {said}. {found['hint']}".strip()])
        return PROBE_EXITS[str(found["outcome"])]

    def _settings(self, options: dict[str, Any], now: datetime) -> Exit:
        caller = self.chosen_place(options)
        if options["set"]:
            checked = SettingsInput(data=dict(_setting(text) for text in options["set"]))
            if not checked.is_valid():
                raise ValidationFailed(
                    errors={name: [str(each) for each in found] for name, found in checked.errors.items()}
                )
            update_profile_settings(caller, changes=checked.validated_data, now=now)
        document = dict(SettingsOutput(profile_settings(caller)).data)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines([f"{name}: {'' if value is None else value}" for name, value in document.items()])
        return Exit.OK

    def _clear_cooldown(self, options: dict[str, Any], now: datetime) -> Exit:
        caller = self.chosen_place(options)
        profile = clear_cooldown(caller, profile_id=_profile_id(caller, options), now=now)
        if options["json"]:
            self.print_json({"id": profile.id, "profile": profile.key, "outcome": "cleared"})
        else:
            self.print_lines([f"{profile.key}: every cooldown is ended."])
        return Exit.OK


def _setting(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError("--set takes NAME=VALUE, or NAME= for none.", returncode=Exit.USAGE)
    return name, value or ("" if name == "preferred_kind" else None)


def _unlock(options: dict[str, Any]) -> Unlock:
    path = options["passphrase_file"]
    return Unlock(SecretText(_read(path).strip() if path else ""), options["salt"])


def _profile_id(caller: Caller, options: dict[str, Any]) -> str:
    profile = find_profile(caller, key=options["profile"], agent=options["agent"])
    if profile is None:
        raise NotFound(f"There is no profile {options['profile']} here.")
    return profile.id


def _add_profile(parser: ArgumentParser) -> None:
    add_place(parser, required=False)
    parser.add_argument("--profile", required=True, help="its name, e.g. anthropic:work")
    parser.add_argument("--agent", default=DEFAULT_AGENT)
    add_json(parser)


def import_document(result: ImportResult) -> dict[str, object]:
    """Return an import's outcome as JSON; no value of the file is in it."""
    return {
        "dry_run": result.dry_run,
        "entries": list(result.entries),
        "findings": list(result.findings),
        "orders": {provider: list(keys) for provider, keys in result.orders.items()},
    }


def _findings(refused: StoreNotImportable) -> list[dict[str, Any]]:
    found = refused.extra["findings"]
    return found if isinstance(found, list) else []


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read.", returncode=Exit.USAGE) from error


def _write(path: Path, export: Export) -> list[Path]:
    if export.text is not None:
        write_private(path, export.text)
        return [path]
    write_private(path, json.dumps(export.document, indent=2) + "\n")
    if export.state is None:
        return [path]
    beside = path.with_name(STATE_FILE)
    write_private(beside, json.dumps(export.state, indent=2) + "\n")
    return [path, beside]
