"""``purge``: delete what every tenant may forget now, as its retention settings say."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand

from authsvc.ops.retention import purge


class Command(BaseCommand):
    """Delete what is over."""

    help = "Delete tokens, leases, pairings, sessions and audit events whose time of keeping has passed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the command."""
        counts = purge(now=datetime.now(UTC))
        if options["json"]:
            self.stdout.write(json.dumps({"purged": counts}))
            return
        for name, count in counts.items():
            self.stdout.write(f"{count:8}  {name}")
