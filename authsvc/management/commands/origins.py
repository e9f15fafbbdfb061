"""``origins show|set``: which web pages may read answers about a tenant in a browser."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_verbs
from authsvc.tenants.origins import origins_of, set_origins


class Command(HouseCommand):
    """Show or set the origins of tenants."""

    help = "Show or set the origins whose scripts may read a tenant's answers in a browser."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        show = verbs.add_parser("show", help="what each tenant lists")
        show.add_argument("--tenant", default="", help="the tenant's slug; all when absent")
        add_json(show)
        change = verbs.add_parser("set", help="replace the list; without an origin it becomes empty")
        change.add_argument("--tenant", required=True, help="the tenant's slug")
        change.add_argument("origins", nargs="*", help="https://host or http://host:port")
        add_json(change)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        tenants = self.tenants(options["tenant"] or None)
        if options["verb"] == "set":
            [tenant] = tenants
            set_origins(self.inside(tenant), tenant=tenant, origins=options["origins"], now=now)
        found = [{"tenant": tenant.slug, "origins": origins_of(tenant)} for tenant in tenants]
        if options["json"]:
            self.print_json(found)
        else:
            self.print_lines([f"{row['tenant']}: {', '.join(row['origins']) or 'none of its own'}" for row in found])
        return Exit.OK
