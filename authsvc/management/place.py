"""Where a command works: ``--tenant`` and ``--env`` become a caller inside one environment."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from authsvc.management.account import command_account
from authsvc.tenants.models import Environment
from authsvc.tenants.services import command_caller, environment_caller, get_environment
from authsvc.web.caller import Caller


def add_place_arguments(parser: ArgumentParser) -> None:
    """Declare ``--tenant`` and ``--env``."""
    parser.add_argument("--tenant", required=True, help="the tenant's short name")
    parser.add_argument("--env", required=True, help="dev, prod or another environment of it")


def command_place(options: dict[str, Any]) -> tuple[Caller, Environment]:
    """Return the caller and the environment; raises ``NotFound``."""
    place = get_environment(tenant=options["tenant"], environment=options["env"])
    return environment_caller(command_caller(command_account()), place), place
