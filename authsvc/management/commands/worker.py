"""``worker``: do the work that happens by itself, for ever or with ``--once``; several may run at the same time."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management import CommandError
from django.db import close_old_connections

from authsvc.management.house_command import Exit, HouseCommand
from authsvc.ops.steps import STEPS, Turns, run_step


class Command(HouseCommand):
    """Run the steps of ``authsvc/ops/steps.py``."""

    help = "Sign audit checkpoints, purge what is over, and whatever else happens by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="every step once, then end: 0 done, 1 a step failed")

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        return self._run_once(now) if options["once"] else self._run_until_told()

    def _run_once(self, now: datetime) -> Exit:
        results = [run_step(step, now=now) for step in STEPS]
        self.print_json({"steps": [asdict(result) for result in results]})
        if any(result.failure for result in results):
            raise CommandError("A step failed; the log says why.", returncode=Exit.BROKEN)
        return Exit.OK

    def _run_until_told(self) -> Exit:
        told = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: told.set())
        turns = Turns()
        while not told.wait(turns.seconds_to_next()):
            for step in turns.due():
                close_old_connections()
                run_step(step, now=datetime.now(UTC))
        return Exit.OK
