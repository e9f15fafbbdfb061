"""``doctor``: look at this installation and say what to do; exit 0 fine, 1 broken, 3 could not tell."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings

from authsvc.management.house_command import Exit, HouseCommand, add_json
from authsvc.ops.doctor import examine, exit_code, limits_document


class Command(HouseCommand):
    """Print one finding an item, and the limits in force."""

    help = "Check this installation; --production judges it by the production checklist."
    requires_system_checks: list[str] = []  # the findings say it better, one by one

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add_json(parser)
        parser.add_argument("--production", action="store_true", help="judge by the rules of production")

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        is_production = options["production"] or settings.PRODUCTION
        findings = examine(is_production=is_production, now=now)
        limits = limits_document()
        if options["json"]:
            self.print_json({"findings": [asdict(finding) for finding in findings], "limits": limits})
        else:
            for finding in findings:
                self.stdout.write(f"{finding.severity:8} {finding.code:20} {finding.message}")
                if finding.remedy:
                    self.stdout.write(f"{'':29} → {finding.remedy}")
            for name, text in limits.items():
                self.stdout.write(f"{'limit':8} {name:20} {text}")
        return Exit(exit_code(findings))
