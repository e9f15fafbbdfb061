"""``bootstrap``: apply migrations and make the first operator; ``--demo`` adds the demo tenants. Idempotent."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import call_command

from authsvc.management.demo import demo_document
from authsvc.management.house_command import Exit, HouseCommand, add_json
from authsvc.tenants.models import Operator
from authsvc.tenants.services import create_operator
from authsvc.web.caller import Caller

ADMINISTRATOR = "platform"


class Command(HouseCommand):
    """Make a database ready for work."""

    help = "Apply migrations and make the first operator; --demo adds demo tenants (development only)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--demo", action="store_true", help="add the tenants acme and globex with sample rows")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        call_command("migrate", interactive=False, verbosity=0)
        if options["demo"]:
            self._demo(self.caller, now, options)
        else:
            self._first_operator(self.caller, now, as_json=options["json"])
        return Exit.OK

    def _demo(self, caller: Caller, now: datetime, options: dict[str, Any]) -> None:
        document, is_new = demo_document(caller, now=now)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(demo_text(document, is_new=is_new))

    def _first_operator(self, caller: Caller, now: datetime, *, as_json: bool) -> None:
        document: dict[str, object] = {"migrated": True, "operator": None}
        if not Operator.objects.filter(is_superuser=True).exists():
            password = secrets.token_urlsafe(18)
            create_operator(caller, username=ADMINISTRATOR, password=password, is_platform=True, now=now)
            document["operator"] = {"username": ADMINISTRATOR, "password": password}
        if as_json:
            self.print_json(document)
        elif document["operator"]:
            self.stdout.write(f"Operator {ADMINISTRATOR}, password (shown once): {password}")
        else:
            self.stdout.write("Ready; nothing to do.")


def demo_text(document: dict[str, Any], *, is_new: bool) -> list[str]:
    """Return what a person needs to begin: the admin's address, the password once, three curl lines."""
    place = document["environments"]["acme/prod"]
    base, key = document["base_url"], place["api_key"]
    administrator = document["operators"]["platform"]
    password = administrator["password"] if is_new else "(shown at the first start)"
    bearer = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    question = json.dumps({"token": key, "scope": "credentials:resolve"})
    return [
        "",
        f"  Admin      {base}/admin/   user {administrator['username']}   password {password}",
        f"  API page   {base}/api/docs/",
        "",
        "  Get a token:",
        f"curl -s -u '{place['client_id']}:{place['client_secret']}' "
        f"-d grant_type=client_credentials {place['issuer']}/oauth/token",
        "",
        "  Resolve a credential:",
        f"curl -s {bearer} -d '{json.dumps({'provider': 'anthropic'})}' {base}/api/v1/credentials/resolve",
        "",
        "  Ask for a decision:",
        f"curl -s {bearer} -d '{question}' {base}/api/v1/decide",
        "",
    ]
