"""``providers list|set|remove``: what one environment says of its providers, and where their secrets may be sent."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from profiles.models import BILLING_CHOICES, ProbeStyle, ProviderEntry, TokenBody
from profiles.services.providers import FIELDS, delete_provider, find_entry, provider_documents, set_provider


class Command(HouseCommand):
    """Show the catalogue of an environment, or change its own entries."""

    help = "Show the providers one environment knows, add one, change or remove its own entry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = add_verbs(parser)
        listing = verbs.add_parser("list", help="show every provider, built in or of its own")
        change = verbs.add_parser("set", help="add a provider, or change what is named of the own entry")
        change.add_argument("provider")
        change.add_argument("--label", help="how people read it")
        change.add_argument("--env-names", nargs="*", help="the variables it is read from, the first is written")
        change.add_argument("--prefixes", nargs="*", help="what an API key begins with")
        change.add_argument("--minimum-length", type=int, help="how long an API key is at least")
        change.add_argument("--billing", choices=[value for value, _ in BILLING_CHOICES])
        change.add_argument("--dashboard-url", help="a link for people")
        change.add_argument("--endpoint-url", help="where programs call it; this service never does")
        change.add_argument("--token-url", help="the one address refresh tokens may be sent to")
        change.add_argument("--token-client-id", help="the client id at that address")
        change.add_argument("--token-body", choices=TokenBody.values)
        change.add_argument("--probe-url", help="the one address a credential may be tried at")
        change.add_argument("--probe-style", choices=ProbeStyle.values)
        remove = verbs.add_parser("remove", help="remove the own entry; no secret of it is sent anywhere from then on")
        remove.add_argument("provider")
        for verb in (listing, change, remove):
            add_place(verb)
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb; each shows the catalogue as it then is."""
        caller = self.place(options)
        slug = options.get("provider", "").strip().lower()
        if options["verb"] == "set":
            entry = find_entry(caller, slug=slug) or ProviderEntry()
            named = {name: options[name] for name in FIELDS if options[name] is not None}
            fields = {name: getattr(entry, name) for name in FIELDS} | named
            set_provider(caller, slug=slug, fields=fields, now=now)
        if options["verb"] == "remove":
            delete_provider(caller, slug=slug, now=now)
        shown = [row for row in provider_documents(caller) if not slug or row["provider"] == slug]
        if options["json"]:
            self.print_json(shown)
        else:
            self.print_lines([_line(row) for row in shown])
        return Exit.OK


def _line(row: dict[str, Any]) -> str:
    own = row["own_entry"] or {}
    sent = [f"{name} {own[name]}" for name in ("token_url", "probe_url") if own.get(name)]
    return "  ".join([row["provider"], row["label"], "built in" if row["built_in"] else "own", *sent])
