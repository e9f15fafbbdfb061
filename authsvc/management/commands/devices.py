"""``devices list|approve|revoke|review``: what the admin does with devices, from the machine's own terminal.

The user code is an argument because it is dead once used.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.web.caller import Caller
from devices.models import STATUS_CHOICES, Device
from devices.services.lifecycle import approve_device, get_device, revoke_device
from devices.services.review import review_devices
from devices.snapshot import digest
from devices.trust import TrustLevel


class Command(HouseCommand):
    """Devices of one environment."""

    help = "List, approve or revoke devices of one environment; review lets time pass for all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = add_verbs(parser)
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
            add_place(verb)
            add_json(verb)
        review = verbs.add_parser("review", help="promotion, silence and expiry, as the worker does it")
        add_json(review)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb."""
        shown = _review(now) if options["verb"] == "review" else self._rows(options, now)
        if options["json"]:
            self.print_json(shown)
        else:
            for row in shown:
                self.stdout.write("  ".join(str(value) for value in row.values()))
        return Exit.OK

    def _rows(self, options: dict[str, Any], now: datetime) -> list[dict[str, object]]:
        caller = self.place(options)
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


def _review(now: datetime) -> list[dict[str, object]]:
    review = review_devices(now)
    return [{"looked_at": review.looked_at, "changed": review.changed}]


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
