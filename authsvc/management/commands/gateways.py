"""``gateways list|import-token``: show the gateways of an environment, or take over the token one of them has."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.web.caller import Caller
from rbac.models import Gateway
from rbac.services.gateways import get_gateway, import_gateway_token


class Command(HouseCommand):
    """List gateways, and import their tokens."""

    help = "List gateways, or import the token of 64 hex digits that one has already, read from a prompt or a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        shown = verbs.add_parser("list", help="the gateways of one environment")
        taken = verbs.add_parser("import-token", help="accept a token that exists already")
        taken.add_argument("--id", required=True, help="gwy_…")
        taken.add_argument("--name", default="", help="a name for the token")
        taken.add_argument("--from-file", default="", help="a file with the token; without it, standard input")
        for verb in (shown, taken):
            add_place(verb)
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        caller = self.place(options)
        documents = _listed(caller) if options["verb"] == "list" else [self._taken(caller, options, now)]
        if options["json"]:
            self.print_json(documents)
        else:
            self.print_lines([" ".join(str(value) for value in document.values()) for document in documents])
        return Exit.OK

    def _taken(self, caller: Caller, options: dict[str, Any], now: datetime) -> dict[str, str]:
        gateway = get_gateway(caller, options["id"])
        token = self.read_secret("Token", options["from_file"]).reveal()
        key = import_gateway_token(caller, gateway=gateway, token=token, name=options["name"], now=now).key
        return {"gateway": gateway.id, "key": key.id, "ends": f"…{key.last_four}"}


def _listed(caller: Caller) -> list[dict[str, str]]:
    rows = Gateway.objects.for_environment(caller)
    return [{"gateway": row.id, "kind": row.kind, "audience": row.audience, "name": row.name} for row in rows]
