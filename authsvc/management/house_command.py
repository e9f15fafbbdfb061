"""The one base of our commands: exit codes, problems as one line, who typed it and in which environment.

0 fine, 1 broken or refused, 2 expiring soon, 3 could not tell, 64 bad usage, below a verb too.
A secret is never an argument.
"""

from __future__ import annotations

import getpass
import json
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import DatabaseError

from authsvc.management.account import command_account
from authsvc.tenants.models import Environment, Tenant, TenantState
from authsvc.tenants.services import command_caller, environment_caller, get_environment, tenant_caller
from authsvc.vault.keyring import KeyringInvalid
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, Problem
from authsvc.web.secret_text import SecretText

MAXIMUM_INPUT = 1024 * 1024


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    BROKEN = 1
    EXPIRING = 2
    UNKNOWN = 3
    USAGE = 64


class UsageParser(CommandParser):
    """An argument parser whose complaint ends with 64; argparse's own 2 means "expiring" here."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint and leave; called from code, raise it."""
        if not self.called_from_command_line:
            raise CommandError(message, returncode=Exit.USAGE)
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: {message}\n")
        raise SystemExit(int(Exit.USAGE))


class HouseCommand(BaseCommand, ABC):
    """A command whose problems become exit codes; subclasses implement ``run`` and return one."""

    requires_system_checks = ["authsvc"]

    @abstractmethod
    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Do the work."""

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and end with the code of what happened."""
        try:
            code = self.run(options, datetime.now(UTC))
        except Problem as problem:
            raise CommandError(problem_text(problem), returncode=Exit.BROKEN) from problem
        except (DatabaseError, KeyringInvalid, OSError) as error:
            raise CommandError(f"Could not tell: {type(error).__name__}.", returncode=Exit.UNKNOWN) from error
        if code is not Exit.OK:
            raise SystemExit(int(code))

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return a parser that leaves with 64 on bad usage; Django offers no other place to name its class."""
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.__class__ = UsageParser
        return parser

    @property
    def caller(self) -> Caller:
        """Return who typed the command, above all tenants."""
        return command_caller(command_account())

    def tenants(self, slug: str | None) -> list[Tenant]:
        """Return one tenant by name, or all; raises ``NotFound``."""
        rows = Tenant.objects.order_by("slug")
        found = list(rows.filter(slug=slug) if slug else rows)
        if slug and not found:
            raise NotFound(f"There is no tenant {slug}.")
        return found

    def inside(self, tenant: Tenant) -> Caller:
        """Return the caller inside a tenant."""
        return tenant_caller(self.caller, tenant)

    def place(self, options: dict[str, Any]) -> Caller:
        """Return the caller inside the environment that both options name; raises ``NotFound``."""
        tenant, environment = options["tenant"], options["env"]
        try:
            found = get_environment(tenant=tenant, environment=environment)
        except NotFound as missing:
            raise NotFound(f"There is no environment {tenant}/{environment}.") from missing
        return environment_caller(self.caller, found)

    def chosen_places(self, options: dict[str, Any]) -> list[Caller]:
        """Return the caller inside each environment the options leave; naming an unknown one is bad usage."""
        rows = Environment.unscoped.select_related("tenant").filter(tenant__state=TenantState.ACTIVE)
        if options["tenant"]:
            rows = rows.filter(tenant__slug=options["tenant"])
        if options["env"]:
            rows = rows.filter(name=options["env"])
        found = [environment_caller(self.caller, row) for row in rows.order_by("tenant__slug", "name")]
        if not found and (options["tenant"] or options["env"]):
            named = f"{options['tenant'] or '*'}/{options['env'] or '*'}"
            raise CommandError(f"There is no environment {named}.", returncode=Exit.USAGE)
        return found

    def chosen_place(self, options: dict[str, Any]) -> Caller:
        """Return the caller inside the one environment the options leave; more than one is bad usage."""
        found = self.chosen_places(options)
        if len(found) != 1:
            raise CommandError("Say which environment: --tenant and --env.", returncode=Exit.USAGE)
        return found[0]

    def print_json(self, document: object) -> None:
        """Print one JSON document."""
        self.stdout.write(json.dumps(document, indent=1, default=str))

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


def add_verbs(parser: ArgumentParser, name: str = "verb") -> Any:
    """Return the action that adds verbs to a command or to a verb; one of them must be given."""
    return parser.add_subparsers(dest=name, required=True, parser_class=UsageParser)


def add_place(parser: ArgumentParser, *, required: bool = True) -> None:
    """Declare ``--tenant`` and ``--env``."""
    parser.add_argument("--tenant", required=required, default="", help="the tenant's slug")
    parser.add_argument("--env", required=required, default="", help="the environment's name, e.g. prod")


def add_json(parser: ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def problem_text(problem: Problem) -> str:
    """Return a problem as one line for the operator."""
    fields = "; ".join(
        f"{name}: {' '.join(messages)}" for name, messages in problem.errors.items() if messages != [problem.detail]
    )
    return " ".join(" ".join((problem.detail, fields, problem.hint)).split())
