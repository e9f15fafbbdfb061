"""``models status`` and ``models auth``: what gateways' own command line calls them, here for every environment.

A token is read from a prompt or standard input, never from an argument, and is never printed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import CommandError

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.management.status_text import status_lines
from authsvc.web.problems import ValidationFailed
from profiles.durations import MALFORMED, parse_duration_ms
from profiles.models import DEFAULT_AGENT
from profiles.providers import SETUP_TOKEN_MINIMUM, SETUP_TOKEN_PREFIX, Kind
from profiles.references import Strategy
from profiles.services.order import EVERY_AGENT, clear_order, dangling_warnings, find_order, set_order
from profiles.services.paste import PasteRequest, paste_credential
from profiles.services.status import StatusQuery, status_document
from profiles.services.usage import milliseconds


class Command(HouseCommand):
    """Credential status and order, and pasted tokens."""

    help = "Show the status of provider credentials, set their order, paste tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        verbs = add_verbs(parser)
        _add_status(verbs.add_parser("status", help="how the stored credentials stand"))
        auth = add_verbs(verbs.add_parser("auth", help="order and tokens"), "auth_verb")
        _add_order(auth.add_parser("order", help="get, set or clear the order of a provider's profiles"))
        for name in ("paste-token", "setup-token"):
            _add_paste(auth.add_parser(name, help="store a token read from a prompt or standard input"))

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run one verb."""
        if options["verb"] == "status":
            return self._status(options, now)
        if options["auth_verb"] == "order":
            return self._order(options, now)
        return self._paste(options, now)

    def _status(self, options: dict[str, Any], now: datetime) -> Exit:
        query = StatusQuery(
            agent=options["agent"] or DEFAULT_AGENT,
            warn_after_ms=_duration(options["warn_after"], "s"),
            compat=Strategy(options["compat"]),
            providers=frozenset(name.lower() for name in options["provider"]),
        )
        documents = [status_document(caller, query, now=now) for caller in self.chosen_places(options)]
        if not documents:
            raise CommandError("Could not tell: there is no environment yet.", returncode=Exit.UNKNOWN)
        worst = worst_check([int(str(document["check"])) for document in documents])
        if options["json"]:
            self.print_json(documents[0] if options["tenant"] and options["env"] else _together(documents, worst))
        else:
            self.print_lines([line for document in documents for line in status_lines(document)])
        return Exit(worst) if options["check"] else Exit.OK

    def _order(self, options: dict[str, Any], now: datetime) -> Exit:
        caller, provider, agent = (
            self.chosen_place(options),
            options["provider"].lower(),
            options["agent"] or EVERY_AGENT,
        )
        order: tuple[str, ...] | None = None
        warnings: list[str] = []
        if options["order_verb"] == "set":
            order, gone = set_order(caller, provider=provider, agent=agent, profile_keys=options["profiles"], now=now)
            warnings = dangling_warnings(gone)
        elif options["order_verb"] == "clear":
            clear_order(caller, provider=provider, agent=agent, now=now)
        order = order or find_order(caller, provider=provider, agent=agent)
        if options["json"]:
            shown = None if order is None else list(order)
            self.print_json({"provider": provider, "agent": agent or None, "order": shown, "warnings": warnings})
        else:
            self.print_lines([*warnings, " ".join(order) if order is not None else "No order is set."])
        return Exit.OK

    def _paste(self, options: dict[str, Any], now: datetime) -> Exit:
        caller, provider = self.chosen_place(options), options["provider"].lower()
        lifetime_ms = _duration(options["expires_in"], "d")
        secret = self.read_secret(f"Token for {provider}", options["from_file"])
        if options["auth_verb"] == "setup-token":
            _require_setup_token(secret.reveal())
        request = PasteRequest(
            provider=provider,
            name=options["name"],
            kind=Kind(options["kind"]),
            agent=options["agent"] or DEFAULT_AGENT,
            expires_at_ms=None if lifetime_ms is None else milliseconds(now) + lifetime_ms,
            origin=f"command:{options['auth_verb']}",
        )
        pasted = paste_credential(caller, request, secret, now=now)
        document = {
            "id": pasted.profile.id,
            "profile": pasted.profile.key,
            "version": pasted.credential.version,
            "fingerprint": pasted.credential.fingerprint,
            "outcome": "created" if pasted.is_new else "replaced",
        }
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines([f"{document['profile']} v{document['version']} {document['outcome']}."])
        return Exit.OK


def worst_check(codes: list[int]) -> int:
    """Return the code that stands for many: failing goes before expiring."""
    return 1 if 1 in codes else max(codes)


def _together(documents: list[dict[str, object]], worst: int) -> dict[str, object]:
    return {"check": worst, "environments": {f"{each['tenant']}/{each['environment']}": each for each in documents}}


def _require_setup_token(text: str) -> None:
    if not text.startswith(SETUP_TOKEN_PREFIX):
        raise ValidationFailed(errors={"value": [f"A setup token begins with {SETUP_TOKEN_PREFIX}."]})
    if len(text) < SETUP_TOKEN_MINIMUM:
        raise ValidationFailed(errors={"value": [f"A setup token has at least {SETUP_TOKEN_MINIMUM} characters."]})


def _duration(text: str, default_unit: str) -> int | None:
    if not text:
        return None
    found = parse_duration_ms(text, default_unit)
    if found is None:
        raise CommandError(MALFORMED, returncode=Exit.USAGE)
    return found


def _add_status(parser: ArgumentParser) -> None:
    add_place(parser, required=False)
    parser.add_argument("--agent", default="", help="the agent; default: main")
    parser.add_argument("--provider", action="append", default=[], help="only this provider (repeatable)")
    parser.add_argument("--check", action="store_true", help="exit 1 when expired or missing, 2 when expiring")
    add_json(parser)
    parser.add_argument("--warn-after", default="", help="a number with s, m, h or d")
    parser.add_argument("--compat", choices=[each.value for each in Strategy], default=Strategy.CLASSIC.value)


def _add_order(parser: ArgumentParser) -> None:
    verbs = add_verbs(parser, "order_verb")
    for name in ("get", "set", "clear"):
        verb = verbs.add_parser(name)
        add_place(verb, required=False)
        verb.add_argument("--provider", required=True)
        verb.add_argument("--agent", default="", help="only for this agent")
        add_json(verb)
        if name == "set":
            verb.add_argument("profiles", nargs="+", help="profile names, best first")


def _add_paste(parser: ArgumentParser) -> None:
    add_place(parser, required=False)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--name", default="manual", help="the profile's name behind provider:")
    parser.add_argument("--agent", default="")
    parser.add_argument("--kind", choices=[Kind.TOKEN.value, Kind.API_KEY.value], default=Kind.TOKEN.value)
    parser.add_argument("--expires-in", default="", help="a number with ms, s, m, h or d; a bare number is days")
    parser.add_argument("--from-file", default="", help="read the value from this file instead of standard input")
    add_json(parser)
