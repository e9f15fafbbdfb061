"""``purge``: delete what every tenant may forget now, as its retention settings say."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json
from authsvc.ops.retention import purge


class Command(HouseCommand):
    """Delete what is over."""

    help = "Delete tokens, leases, pairings, sessions and audit events whose time of keeping has passed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        counts = purge(now=now)
        if options["json"]:
            self.print_json({"purged": counts})
        else:
            self.print_lines([f"{count:8}  {name}" for name, count in counts.items()])
        return Exit.OK
