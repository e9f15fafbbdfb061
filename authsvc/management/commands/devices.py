"""``devices list|approve|revoke|review``: what the admin does with devices, from the machine's own terminal.

Exit codes: 0 done, 1 refused, 2 bad usage. The user code is an argument because it is dead once used.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand, CommandError

from authsvc.management.account import command_account
from authsvc.tenants.services import command_caller, environment_caller, get_environment
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from devices.models import STATUS_CHOICES, Device
from devices.services.lifecycle import approve_device, get_device, revoke_device
from devices.services.review import review_devices
from devices.snapshot import digest
from devices.trust import TrustLevel


class Command(BaseCommand):
    """Devices of one environment."""

    help = "List, approve or revoke devices of one environment; review lets time pass for all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="show devices, newest first")
        listing.add_argument("--status", choices=[value for value, _ in STATUS_CHOICES])
        approve = verbs.add_parser("approve", help="approve a pending device")
        approve.add_argument("device_id")
        approve.add_argument("--code", required=True, help="the code the device shows")
        approve.add_argument("--snapshot", default="", help="the digest that list showed; anything else is stale")
        approve.add_argument("--trust", type=int, choices=[1, 2, 3], default=int(TrustLevel.VERIFIED))
        revoke = verbs.add_parser("revoke", help="end a device for good")
        revoke.add_argument("device_id")
        for verb in (approve, revoke):
            verb.add_argument("--reason", default="")
        for verb in (listing, approve, revoke):
            verb.add_argument("--tenant", required=True)
            verb.add_argument("--env", required=True)
            verb.add_argument("--json", action="store_true", help="print one JSON document")
        review = verbs.add_parser("review", help="promotion, silence and expiry, as the worker does it")
        review.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the verb; a refusal ends with code 1 and says why."""
        now = datetime.now(UTC)
        try:
            shown = self._review(now) if options["verb"] == "review" else self._run(options, now)
        except Problem as problem:
            raise CommandError(problem.detail, returncode=1) from problem
        if options["json"]:
            self.stdout.write(json.dumps(shown, indent=1))
            return
        for row in shown:
            self.stdout.write("  ".join(str(value) for value in row.values()))

    def _review(self, now: datetime) -> list[dict[str, object]]:
        review = review_devices(now)
        return [{"looked_at": review.looked_at, "changed": review.changed}]

    def _run(self, options: dict[str, Any], now: datetime) -> list[dict[str, object]]:
        place = get_environment(tenant=options["tenant"], environment=options["env"])
        caller = environment_caller(command_caller(command_account()), place)
        if options["verb"] == "list":
            return _listed(caller, options["status"])
        device = get_device(caller, options["device_id"])
        if options["verb"] == "revoke":
            return [_row(revoke_device(caller, device=device, reason=options["reason"], now=now))]
        approved = approve_device(
            caller,
            device=device,
            user_code=options["code"],
            snapshot=options["snapshot"],
            trust_level=options["trust"],
            reason=options["reason"],
            now=now,
        )
        return [_row(approved)]


def _listed(caller: Caller, status: str | None) -> list[dict[str, object]]:
    rows = Device.objects.for_environment(caller).select_related("principal")
    return [_row(device) for device in (rows.filter(status=status) if status else rows)]


def _row(device: Device) -> dict[str, object]:
    return {
        "id": device.id,
        "status": device.status,
        "trust_level": device.trust_level,
        "name": device.principal.name,
        "device_type": device.device_type,
        "requested_scopes": device.requested_scopes,
        "last_seen_at": device.last_seen_at.isoformat() if device.last_seen_at else None,
        "snapshot": digest(device.snapshot()),
    }
