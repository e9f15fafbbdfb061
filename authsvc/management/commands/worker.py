"""``worker``: do the work that happens by itself, for ever or with ``--once``; several may run at the same time."""

from __future__ import annotations

import json
import signal
import threading
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import close_old_connections

from authsvc.ops.steps import STEPS, Turns, run_step


class Command(BaseCommand):
    """Run the steps of ``authsvc/ops/steps.py``."""

    help = "Sign audit checkpoints, purge what is over, and whatever else happens by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="every step once, then end: 0 done, 1 a step failed")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the command."""
        if options["once"]:
            results = [run_step(step, now=datetime.now(UTC)) for step in STEPS]
            self.stdout.write(json.dumps({"steps": [asdict(result) for result in results]}))
            if any(result.failure for result in results):
                raise CommandError("A step failed; the log says why.", returncode=1)
            return
        self._run_until_told()

    def _run_until_told(self) -> None:
        told = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: told.set())
        turns = Turns()
        while not told.wait(turns.seconds_to_next()):
            for step in turns.due():
                close_old_connections()
                run_step(step, now=datetime.now(UTC))
