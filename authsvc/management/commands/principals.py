"""``principals disable|enable``: switch everything a service account, device or gateway holds off or on."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place
from authsvc.tenants.models import PrincipalState
from authsvc.tenants.services import set_principal_state
from rbac.services.grants import get_principal

STATES = {"disable": PrincipalState.DISABLED, "enable": PrincipalState.ACTIVE}


class Command(HouseCommand):
    """Disable or enable a principal."""

    help = "Disable or enable a service account, device or gateway; workers follow within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and options."""
        parser.add_argument("action", choices=sorted(STATES))
        add_place(parser)
        parser.add_argument("--id", required=True, help="svc_…, dev_… or gwy_…")
        parser.add_argument("--reason", required=True, help="why; kept in the audit")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        caller = self.place(options)
        principal = set_principal_state(
            caller,
            principal=get_principal(caller, options["id"]),
            state=STATES[options["action"]],
            reason=options["reason"],
            now=now,
        )
        if options["json"]:
            self.print_json({"id": principal.id, "name": principal.name, "state": str(principal.state)})
        else:
            self.print_lines([f"{principal.id} is {principal.state}."])
        return Exit.OK
