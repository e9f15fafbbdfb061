"""``principals disable|enable``: switch everything a service account, device or gateway holds off or on."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand, CommandError

from authsvc.management.place import add_place_arguments, command_place
from authsvc.tenants.models import PrincipalState
from authsvc.tenants.services import set_principal_state
from authsvc.web.problems import Problem
from rbac.services.grants import get_principal

STATES = {"disable": PrincipalState.DISABLED, "enable": PrincipalState.ACTIVE}


class Command(BaseCommand):
    """Disable or enable a principal."""

    help = "Disable or enable a service account, device or gateway; workers follow within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and options."""
        parser.add_argument("action", choices=sorted(STATES))
        add_place_arguments(parser)
        parser.add_argument("--id", required=True, help="svc_…, dev_… or gwy_…")
        parser.add_argument("--reason", required=True, help="why; kept in the audit")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the command."""
        try:
            caller, _ = command_place(options)
            principal = set_principal_state(
                caller,
                principal=get_principal(caller, options["id"]),
                state=STATES[options["action"]],
                reason=options["reason"],
                now=datetime.now(UTC),
            )
        except Problem as problem:
            raise CommandError(problem.detail, returncode=1) from problem
        document = {"id": principal.id, "name": principal.name, "state": str(principal.state)}
        self.stdout.write(
            json.dumps(document, indent=1) if options["json"] else f"{principal.id} is {principal.state}."
        )
