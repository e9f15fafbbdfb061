"""``onboard``: tenant, environment, provider, key, check, gateway token and lease key, in one run.

Asks for what is missing when a person types it; scripted, everything is an option and the key comes on standard input.
All of it happens or nothing; run again, it stores a new version and issues new proofs, and leaves the rest.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import CommandError

from authsvc.gate.onboard import Beginning, Onboarded, open_and_onboard, prove_lease
from authsvc.management.house_command import Exit, HouseCommand, add_json
from authsvc.tokens.issuer import issuer_of
from profiles.providers import CATALOGUE, Kind, env_name_for
from profiles.services.paste import PasteRequest
from rbac.models import GatewayKind

QUESTIONS = {
    "tenant": "Tenant (a short lower-case name)",
    "env": "Environment (dev or prod)",
    "provider": f"Provider (e.g. {', '.join(sorted(CATALOGUE)[:4])})",
    "gateway": "Name of the gateway",
}


class Command(HouseCommand):
    """From nothing to a working lease."""

    help = "Set up a tenant, its environment, a provider key and a gateway; the key is read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        for name, question in QUESTIONS.items():
            parser.add_argument(f"--{name}", default="", help=question)
        parser.add_argument("--name", default="default", help="the profile's name behind provider:")
        parser.add_argument("--kind", choices=[Kind.API_KEY.value, Kind.TOKEN.value], default=Kind.API_KEY.value)
        parser.add_argument("--gateway-kind", choices=GatewayKind.values, default=GatewayKind.OPENCLAW.value)
        parser.add_argument("--from-file", default="", help="read the key from this file instead of standard input")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Walk through the steps."""
        answers = {name: options[name] or self._ask(name) for name in QUESTIONS}
        secret = self.read_secret(f"{options['kind']} for {answers['provider']}", options["from_file"])
        credential = PasteRequest(
            answers["provider"].lower(), options["name"], Kind(options["kind"]), origin="command:onboard"
        )
        beginning = Beginning(credential, answers["gateway"], GatewayKind(options["gateway_kind"]))
        done = open_and_onboard(
            self.caller, beginning, secret, tenant=answers["tenant"], environment=answers["env"], now=now
        )
        lease_id = prove_lease(done, now=now)
        document = _document(done, lease_id)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(_lines(document))
        return Exit.OK

    def _ask(self, name: str) -> str:
        """Return a person's answer; without one at the terminal the option is required."""
        if not sys.stdin.isatty():
            raise CommandError(f"--{name} is required.", returncode=Exit.USAGE)
        self.stdout.write(f"{QUESTIONS[name]}: ", ending="")
        self.stdout.flush()
        answer = sys.stdin.readline().strip()
        if not answer:
            raise CommandError(f"--{name} is required.", returncode=Exit.USAGE)
        return answer


def _document(done: Onboarded, lease_id: str) -> dict[str, object]:
    profile, place = done.profile, done.place
    return {
        "tenant": place.tenant,
        "environment": place.environment,
        "issuer": issuer_of(place.tenant, place.environment),
        "profile": {
            "id": profile.id,
            "profile": profile.key,
            "env_name": env_name_for(profile.provider, Kind(profile.kind)),
        },
        "check": done.check,
        "gateway": {
            "id": done.gateway.id,
            "audience": done.gateway.audience,
            "token": done.gateway_token.reveal(),
        },
        "lease_key": done.lease_key.reveal(),
        "lease": lease_id,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    gateway, profile = document["gateway"], document["profile"]
    return [
        f"Stored {profile['profile']} in {document['tenant']}/{document['environment']}; the check is fine.",
        f"Leased it once to prove it: {document['lease']}.",
        f"Gateway {gateway['id']}, token (shown once): {gateway['token']}",
        f"Key to lease credentials with (shown once): {document['lease_key']}",
        "Next: put the key into AUTHSVC_TOKEN_FILE on the gateway's host and run authsvc-resolve there.",
    ]
