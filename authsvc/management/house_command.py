"""What our commands share: exit codes, problems as one line, the environment they work in, secrets never as arguments.

0 fine, 1 broken or refused, 2 expiring soon, 3 could not tell, 64 bad usage.
"""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from authsvc.management.account import command_account
from authsvc.tenants.models import Environment, TenantState
from authsvc.tenants.services import command_caller, environment_caller, get_environment
from authsvc.vault.keyring import KeyringInvalid
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, Problem
from authsvc.web.secret_text import SecretText

ARGPARSE_USAGE = 2
MAXIMUM_INPUT = 1024 * 1024


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    BROKEN = 1
    EXPIRING = 2
    UNKNOWN = 3
    USAGE = 64


class HouseCommand(BaseCommand):
    """A command whose problems become exit codes; subclasses implement ``run`` and return one."""

    _began = False

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Do the work."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and end with the code of what happened."""
        self._began = True
        try:
            code = self.run(options, datetime.now(UTC))
        except Problem as problem:
            raise CommandError(problem_text(problem), returncode=Exit.BROKEN) from problem
        except (DatabaseError, KeyringInvalid, OSError) as error:
            raise CommandError(f"Could not tell: {type(error).__name__}.", returncode=Exit.UNKNOWN) from error
        if code is not Exit.OK:
            raise SystemExit(int(code))

    def run_from_argv(self, argv: list[str]) -> None:
        """Tell bad usage (64) from "expiring" (2), which argparse gives the same number."""
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            if ended.code == ARGPARSE_USAGE and not self._began:
                raise SystemExit(int(Exit.USAGE)) from ended
            raise

    def print_json(self, document: object) -> None:
        """Print one JSON document."""
        self.stdout.write(json.dumps(document, indent=1))

    def print_lines(self, lines: list[str]) -> None:
        """Print lines for people."""
        self.stdout.write("\n".join(lines))

    def read_secret(self, prompt: str, from_file: str = "") -> SecretText:
        """Return a secret from a file, standard input or a prompt without echo; never from an argument."""
        if from_file:
            return SecretText(Path(from_file).read_text(encoding="utf-8").strip())
        if sys.stdin.isatty():
            return SecretText(getpass.getpass(f"{prompt}: ").strip())
        return SecretText(sys.stdin.read(MAXIMUM_INPUT).strip())


def add_place(parser: ArgumentParser, *, required: bool) -> None:
    """Declare ``--tenant`` and ``--env``."""
    parser.add_argument("--tenant", required=required, default="", help="the tenant's slug")
    parser.add_argument("--env", required=required, default="", help="the environment's name, e.g. prod")


def callers_of(options: dict[str, Any]) -> list[Caller]:
    """Return a caller inside each environment that the options mean; raises ``CommandError`` for an unknown one."""
    tenant, environment = options["tenant"], options["env"]
    platform = command_caller(command_account())
    if tenant and environment:
        try:
            return [environment_caller(platform, get_environment(tenant=tenant, environment=environment))]
        except NotFound as missing:
            raise CommandError(f"There is no environment {tenant}/{environment}.", returncode=Exit.USAGE) from missing
    rows = Environment.unscoped.select_related("tenant").filter(tenant__state=TenantState.ACTIVE)
    if tenant:
        rows = rows.filter(tenant__slug=tenant)
    if environment:
        rows = rows.filter(name=environment)
    found = [environment_caller(platform, row) for row in rows.order_by("tenant__slug", "name")]
    if not found and (tenant or environment):
        raise CommandError("There is no such environment.", returncode=Exit.USAGE)
    return found


def caller_of(options: dict[str, Any]) -> Caller:
    """Return the caller of the one environment that the options mean; raises ``CommandError`` when it is not one."""
    found = callers_of(options)
    if len(found) != 1:
        raise CommandError("Say which environment: --tenant and --env.", returncode=Exit.USAGE)
    return found[0]


def problem_text(problem: Problem) -> str:
    """Return a problem as one line for the operator."""
    fields = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in problem.errors.items())
    return " ".join(part for part in (problem.detail, fields, problem.hint) if part)
