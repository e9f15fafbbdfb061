"""``audit verify|checkpoint|export``: check the chains, sign their heads, write one as JSON lines."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from authsvc.audit.chain import ChainVerdict
from authsvc.audit.checkpoints import known_tenant_ids, public_key_text, sign_checkpoint, verify_tenant
from authsvc.audit.exported import export_lines, verify_lines
from authsvc.audit.models import PLATFORM
from authsvc.management.house_command import Exit, HouseCommand, add_json, add_verbs
from authsvc.tenants.models import Tenant
from authsvc.web.problems import NotFound


class Command(HouseCommand):
    """Work with the audit chains."""

    help = "Verify, checkpoint or export the audit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs."""
        verbs = add_verbs(parser)
        verify = verbs.add_parser("verify", help="check every chain, one tenant's, or an exported file")
        verify.add_argument("--tenant", help="one tenant; 'platform' for events above all tenants")
        verify.add_argument("--file", type=Path, help="an exported chain; needs no database")
        add_json(verify)
        checkpoint = verbs.add_parser("checkpoint", help="sign the present head of every chain")
        checkpoint.add_argument("--tenant")
        export = verbs.add_parser("export", help="write one chain as JSON lines to standard output")
        export.add_argument("--tenant", required=True)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb."""
        if options["verb"] == "verify":
            return self._verify(options)
        return self._export(options) if options["verb"] == "export" else self._checkpoint(options, now)

    def _verify(self, options: dict[str, Any]) -> Exit:
        if options["file"]:
            with options["file"].open(encoding="utf-8") as lines:
                verdicts = {str(options["file"]): verify_lines(line.rstrip("\n") for line in lines)}
        else:
            names = {name: tenant_id for tenant_id, name in self._chains(options["tenant"]).items()}
            verdicts = {name: verify_tenant(tenant_id) for name, tenant_id in names.items()}
        if options["json"]:
            self.print_json({name: asdict(verdict) for name, verdict in verdicts.items()})
        else:
            for name, verdict in verdicts.items():
                self.stdout.write(verdict_line(name, verdict))
        return Exit.OK if all(verdict.intact for verdict in verdicts.values()) else Exit.BROKEN

    def _checkpoint(self, options: dict[str, Any], now: datetime) -> Exit:
        for tenant_id, name in self._chains(options["tenant"]).items():
            checkpoint = sign_checkpoint(tenant_id, now=now)
            state = f"signed at {checkpoint.sequence}" if checkpoint else "already signed"
            self.stdout.write(f"{name}: {state}")
        self.stdout.write(f"public key: {public_key_text()}")
        return Exit.OK

    def _export(self, options: dict[str, Any]) -> Exit:
        for tenant_id in self._chains(options["tenant"]):
            for line in export_lines(tenant_id):
                self.stdout.write(line)
        return Exit.OK

    def _chains(self, tenant: str | None) -> dict[str, str]:
        """Return the wanted chains: tenant id to name."""
        names = {PLATFORM: PLATFORM, **dict(Tenant.objects.values_list("id", "slug"))}
        chains = {tenant_id: names.get(tenant_id, tenant_id) for tenant_id in known_tenant_ids()}
        if tenant is None:
            return chains
        wanted = {tenant_id: name for tenant_id, name in chains.items() if tenant in {name, tenant_id}}
        if not wanted:
            raise NotFound(f"There is no audit chain of {tenant}.")
        return wanted


def verdict_line(name: str, verdict: ChainVerdict) -> str:
    """Return one line a person reads."""
    if verdict.intact:
        return f"{name}: intact, {verdict.checked} events"
    event = f" ({verdict.event_id})" if verdict.event_id else ""
    return f"{name}: BROKEN at sequence {verdict.sequence}{event}: {verdict.reason}"
