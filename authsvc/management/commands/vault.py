"""``vault generate|rotate|rewrap|verify``: make secrets, and look after the keys that encrypt."""

from __future__ import annotations

import base64
import secrets
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.operators.factors import rewrap_factor_keys, unreadable_factor_keys
from authsvc.vault.keyring import keyring
from authsvc.vault.services import rewrap_data_keys, rotate_data_key, unreadable_data_keys


class Command(HouseCommand):
    """Make and look after encryption keys."""

    help = "Generate secrets; rotate, re-wrap and verify data keys."
    requires_system_checks: list[str] = []  # generate must work before any secret exists

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs."""
        verbs = add_verbs(parser)
        generate = verbs.add_parser("generate", help="print a fresh AUTHSVC_SECRET_KEY and AUTHSVC_KEKS")
        generate.add_argument("--id", default="", help="the id of the new key-encryption key")
        rotate = verbs.add_parser("rotate", help="make a new data key for one environment; old values stay readable")
        add_place(rotate)
        rewrap = verbs.add_parser("rewrap", help="wrap every data key under the primary key; resumable")
        rewrap.add_argument("--tenant")
        verify = verbs.add_parser("verify", help="try to unwrap every data key")
        verify.add_argument("--tenant")
        add_json(verify)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb."""
        verbs = {"generate": self._generate, "rotate": self._rotate, "rewrap": self._rewrap, "verify": self._verify}
        return verbs[options["verb"]](options, now)

    def _generate(self, options: dict[str, Any], _now: datetime) -> Exit:
        kek_id = options["id"] or f"k-{secrets.token_hex(3)}"
        self.stdout.write(f"AUTHSVC_SECRET_KEY={secrets.token_urlsafe(48)}")
        self.stdout.write(f"AUTHSVC_KEKS={kek_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}")
        return Exit.OK

    def _rotate(self, options: dict[str, Any], now: datetime) -> Exit:
        key = rotate_data_key(self.place(options), now=now)
        self.stdout.write(f"{options['tenant']}/{options['env']}: data key {key.id} seals from now on")
        return Exit.OK

    def _rewrap(self, options: dict[str, Any], now: datetime) -> Exit:
        count = 0
        for tenant in self.tenants(options["tenant"]):
            for key in rewrap_data_keys(self.inside(tenant), now=now):
                count += 1
                self.stdout.write(f"{tenant}: {key.id} is wrapped by {key.kek_id}")
        factors = 0 if options["tenant"] else len(list(rewrap_factor_keys(self.caller, now=now)))
        self.stdout.write(f"{factors} operators' factors sealed again")
        self.stdout.write(f"{count} data keys re-wrapped; every other one already was under {keyring().primary_id}")
        return Exit.OK

    def _verify(self, options: dict[str, Any], _now: datetime) -> Exit:
        broken = {str(tenant): unreadable_data_keys(tenant.id) for tenant in self.tenants(options["tenant"])}
        if not options["tenant"]:
            broken["operators"] = unreadable_factor_keys()
        if options["json"]:
            self.print_json({name: [list(item) for item in items] for name, items in broken.items()})
        else:
            for name, items in broken.items():
                state = ", ".join(f"{key_id} ({reason})" for key_id, reason in items) or "every key opens"
                self.stdout.write(f"{name}: {state}")
        return Exit.BROKEN if any(broken.values()) else Exit.OK
