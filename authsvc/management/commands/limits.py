"""``limits show|set``: how many requests a minute a tenant may make."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_verbs
from authsvc.tenants.limits import set_limits
from authsvc.tenants.models import Tenant
from authsvc.web.limits import GENERAL, SENSITIVE


class Command(HouseCommand):
    """Show or set the limits of tenants."""

    help = "Show or set how many requests a minute a tenant may make; workers follow within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        show = verbs.add_parser("show", help="what applies to each tenant")
        show.add_argument("--tenant", default="", help="the tenant's slug; all when absent")
        add_json(show)
        change = verbs.add_parser("set", help="set both limits; one that is absent becomes the service's own")
        change.add_argument("--tenant", required=True, help="the tenant's slug")
        change.add_argument("--general", type=int, default=None, help="1 to 1000 a minute")
        change.add_argument("--sensitive", type=int, default=None, help="1 to 100 a minute")
        add_json(change)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        tenants = self.tenants(options["tenant"] or None)
        if options["verb"] == "set":
            general, sensitive = options["general"], options["sensitive"]
            [tenant] = tenants
            set_limits(self.inside(tenant), tenant=tenant, general_limit=general, sensitive_limit=sensitive, now=now)
        found = [_document(tenant) for tenant in tenants]
        if options["json"]:
            self.print_json(found)
        else:
            self.print_lines(
                [f"{row['tenant']}: {row['general']} general, {row['sensitive']} sensitive" for row in found]
            )
        return Exit.OK


def _document(tenant: Tenant) -> dict[str, object]:
    return {
        "tenant": tenant.slug,
        "general": tenant.general_limit or GENERAL.rate().limit,
        "sensitive": tenant.sensitive_limit or SENSITIVE.rate().limit,
        "is_own": tenant.general_limit is not None or tenant.sensitive_limit is not None,
    }
