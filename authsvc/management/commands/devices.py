"""``devices list|inbox|approve|reject|…``: what the admin does with devices, from the machine's own terminal.

The user code is an argument because it is dead once used.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.web.caller import Caller
from devices.inbox_serializers import risk_document
from devices.models import STATUS_CHOICES, Device
from devices.services.inbox import reject_devices, waiting_requests
from devices.services.lifecycle import (
    approve_device,
    get_device,
    resume_device,
    revoke_device,
    set_trust,
    suspend_device,
)
from devices.services.review import review_devices
from devices.snapshot import digest
from devices.trust import TrustLevel

MOVES: Mapping[str, Callable[..., Device]] = {
    "suspend": suspend_device,
    "resume": resume_device,
    "revoke": revoke_device,
}


class Command(HouseCommand):
    """Devices of one environment."""

    help = "List, approve, reject, suspend, resume, revoke or trust devices; review lets time pass for all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = add_verbs(parser)
        listing = verbs.add_parser("list", help="show devices, newest first")
        listing.add_argument("--status", choices=[value for value, _ in STATUS_CHOICES])
        inbox = verbs.add_parser("inbox", help="show what waits, the riskiest first, and why")
        approve = verbs.add_parser("approve", help="approve a pending device")
        approve.add_argument("device_id")
        approve.add_argument("--code", required=True, help="the code the device shows")
        approve.add_argument("--snapshot", default="", help="the digest that list showed; anything else is stale")
        approve.add_argument("--trust", type=int, choices=[1, 2, 3], default=int(TrustLevel.VERIFIED))
        reject = verbs.add_parser("reject", help="reject waiting requests")
        reject.add_argument("device_ids", nargs="+")
        trust = verbs.add_parser("trust", help="set the trust level of an active device; says why with --reason")
        trust.add_argument("device_id")
        trust.add_argument("--level", type=int, choices=[1, 2, 3], required=True)
        moves = [verbs.add_parser(verb, help=f"{verb} a device") for verb in MOVES]
        for verb in moves:
            verb.add_argument("device_id")
        for verb in (approve, reject, trust, *moves):
            verb.add_argument("--reason", default="")
        for verb in (listing, inbox, approve, reject, trust, *moves):
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
                self.stdout.write("  ".join(_in_words(value) for value in row.values()))
        return Exit.OK

    def _rows(self, options: dict[str, Any], now: datetime) -> list[dict[str, object]]:
        caller, verb = self.place(options), options["verb"]
        if verb == "list":
            return _listed(caller, options["status"])
        if verb == "inbox":
            return [{**_row(device), "risk": risk_document(found)} for device, found in waiting_requests(caller)]
        if verb == "reject":
            return _rejected(caller, options["device_ids"], options["reason"], now)
        device, reason = get_device(caller, options["device_id"]), options["reason"]
        if verb in MOVES:
            return [_row(MOVES[verb](caller, device=device, reason=reason, now=now))]
        if verb == "trust":
            return [_row(set_trust(caller, device=device, trust_level=options["level"], reason=reason, now=now))]
        approved = approve_device(
            caller,
            device=device,
            user_code=options["code"],
            snapshot=options["snapshot"],
            trust_level=options["trust"],
            reason=reason,
            now=now,
        )
        return [_row(approved)]


def _rejected(caller: Caller, device_ids: list[str], reason: str, now: datetime) -> list[dict[str, object]]:
    """Reject each; the first that could not be rejected is the command's failure, after all others were."""
    results = reject_devices(caller, device_ids=device_ids, reason=reason, now=now)
    for result in results:
        if result.problem is not None:
            raise result.problem
    return [_row(get_device(caller, result.device_id)) for result in results]


def _in_words(value: object) -> str:
    """Return a value of a row as people read it: a risk by its level and reasons, nothing as a dash."""
    if isinstance(value, dict):
        return f"{value['level']} risk" + "".join(f"; {reason['detail']}" for reason in value["reasons"])
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


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
