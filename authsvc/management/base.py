"""The base of our commands: stable exit codes, JSON on request, and a Caller named after the machine's account."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser

from authsvc.management.account import command_account
from authsvc.management.exit_codes import BAD_USAGE, BROKEN
from authsvc.tenants.models import Environment, Tenant
from authsvc.tenants.services import command_caller, environment_caller, tenant_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem


class UsageParser(CommandParser):
    """An argument parser whose complaint ends with exit code 64."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint and leave."""
        if not self.called_from_command_line:
            raise CommandError(message, returncode=BAD_USAGE)
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: {message}\n")
        raise SystemExit(BAD_USAGE)


class HouseCommand(BaseCommand):
    """A command that calls services; a problem becomes one line on standard error and exit code 1."""

    requires_system_checks = ["authsvc"]

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return a parser that leaves with 64 on bad usage; verbs below it do the same."""
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.__class__ = UsageParser
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command and turn a problem into its line and code."""
        try:
            return super().execute(*args, **options)
        except Problem as problem:
            hint = f" {problem.hint}" if problem.hint else ""
            raise CommandError(f"{problem.slug}: {problem.detail}{hint}", returncode=BROKEN) from problem

    def print_document(self, document: object) -> None:
        """Print one JSON document."""
        self.stdout.write(json.dumps(document, indent=1, default=str))

    @property
    def caller(self) -> Caller:
        """Return who typed the command."""
        return command_caller(command_account())

    @property
    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def place(self, tenant: str, environment: str) -> Caller:
        """Return the caller inside one environment; exit code 1 when there is none of that name."""
        rows = Environment.unscoped.select_related("tenant")
        found = rows.filter(tenant__slug=tenant, name=environment).first()
        if found is None:
            raise CommandError(f"There is no environment {tenant}/{environment}.", returncode=BROKEN)
        return environment_caller(self.caller, found)

    def tenants(self, slug: str | None) -> list[Tenant]:
        """Return one tenant by name, or all."""
        rows = Tenant.objects.order_by("slug")
        found = list(rows.filter(slug=slug) if slug else rows)
        if slug and not found:
            raise CommandError(f"There is no tenant {slug}.", returncode=BROKEN)
        return found

    def inside(self, tenant: Tenant) -> Caller:
        """Return the caller inside a tenant."""
        return tenant_caller(self.caller, tenant)


def add_verbs(parser: ArgumentParser) -> Any:
    """Return the action that adds verbs to a command; bad usage below a verb is 64 too."""
    return parser.add_subparsers(dest="verb", required=True, parser_class=UsageParser)


def add_place(parser: ArgumentParser) -> None:
    """Add ``--tenant`` and ``--env``."""
    parser.add_argument("--tenant", required=True, help="the tenant's name in addresses")
    parser.add_argument("--env", required=True, help="dev, prod, or a named third")
