"""``onboard``: tenant, environment, provider, key, check, gateway token and lease key, in one run.

Asks for what is missing when a person types it; scripted, everything is an option and the key comes on standard input.
All of it happens or nothing; run again, it stores a new version and issues new proofs, and leaves the rest.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management import CommandError
from django.db import transaction

from authsvc.gate.onboarding import open_environment, open_tenant
from authsvc.management.house_command import Exit, HouseCommand, add_json
from authsvc.tenants.models import Environment, Tenant
from authsvc.tenants.services import environment_caller
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict
from authsvc.web.secret_text import SecretText
from profiles.models import Profile
from profiles.providers import CATALOGUE, Kind, env_name_for
from profiles.services.paste import PasteRequest, paste_credential
from profiles.services.status import StatusQuery, status_document
from rbac.models import Gateway, GatewayKind
from rbac.services.gateways import create_gateway, issue_gateway_token
from rbac.services.grants import create_grant
from rbac.services.service_accounts import create_service_account, issue_account_key

LEASE_SCOPES = ["credentials:report", "credentials:resolve", "status:read"]
QUESTIONS = {
    "tenant": "Tenant (a short lower-case name)",
    "env": "Environment (dev or prod)",
    "provider": f"Provider (e.g. {', '.join(sorted(CATALOGUE)[:4])})",
    "gateway": "Name of the gateway",
}


class OnboardingCheckFailed(Conflict):
    """The stored credential does not pass the check, so nothing was kept."""

    slug, title = "onboarding_check_failed", "Check failed"
    default_detail = "The stored credential does not pass the check; nothing was kept."


@dataclass(frozen=True, slots=True)
class Proofs:
    """What is shown once: the gateway's token and the key it leases with."""

    gateway: Gateway
    gateway_token: SecretText
    lease_key: SecretText


class Command(HouseCommand):
    """From nothing to a working lease."""

    help = "Set up a tenant, its environment, a provider key and a gateway; the key is read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        for name, question in QUESTIONS.items():
            parser.add_argument(f"--{name}", default="", help=question)
        parser.add_argument("--name", default="default", help="the profile's name behind provider:")
        parser.add_argument("--kind", choices=[Kind.API_KEY.value, Kind.TOKEN.value], default=Kind.API_KEY.value)
        parser.add_argument("--gateway-kind", choices=GatewayKind.values, default=GatewayKind.OPENCLAW.value)
        parser.add_argument("--from-file", default="", help="read the key from this file instead of standard input")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Walk through the steps."""
        answers = {name: options[name] or self._ask(name) for name in QUESTIONS}
        secret = self.read_secret(f"{options['kind']} for {answers['provider']}", options["from_file"])
        platform = self.caller
        with transaction.atomic():
            inside = environment_caller(platform, _environment(platform, answers["tenant"], answers["env"], now))
            request = PasteRequest(
                answers["provider"].lower(), options["name"], Kind(options["kind"]), origin="command:onboard"
            )
            profile = paste_credential(inside, request, secret, now=now).profile
            check = _checked(inside, profile, now)
            proofs = _proofs(inside, answers["gateway"], GatewayKind(options["gateway_kind"]), now)
        document = _document(inside, profile, proofs, check)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(_lines(document))
        return Exit.OK

    def _ask(self, name: str) -> str:
        """Return a person's answer; without one at the terminal the option is required."""
        if not sys.stdin.isatty():
            raise CommandError(f"--{name} is required.", returncode=Exit.USAGE)
        self.stdout.write(f"{QUESTIONS[name]}: ", ending="")
        self.stdout.flush()
        answer = sys.stdin.readline().strip()
        if not answer:
            raise CommandError(f"--{name} is required.", returncode=Exit.USAGE)
        return answer


def _environment(platform: Caller, slug: str, name: str, now: datetime) -> Environment:
    tenant = Tenant.objects.filter(slug=slug).first() or open_tenant(platform, slug=slug, name=slug, now=now)
    found = Environment.objects.for_tenant(tenant.id).select_related("tenant").filter(name=name).first()
    return found or open_environment(platform, tenant=tenant, name=name, now=now)


def _checked(inside: Caller, profile: Profile, now: datetime) -> int:
    query = StatusQuery(providers=frozenset({profile.provider}))
    check = int(str(status_document(inside, query, now=now)["check"]))
    if check == Exit.BROKEN:
        raise OnboardingCheckFailed
    return check


def _proofs(inside: Caller, name: str, kind: GatewayKind, now: datetime) -> Proofs:
    gateway = Gateway.objects.for_environment(inside).filter(name=name).first()
    if gateway is None:
        gateway = create_gateway(inside, name=name, kind=kind, now=now)
    account = create_service_account(
        inside, name=f"{name} leases {now:%Y-%m-%d %H:%M:%S}", default_scopes=LEASE_SCOPES, now=now
    )
    create_grant(inside, principal=account.principal, scopes=LEASE_SCOPES, reason="onboarding", now=now)
    key = issue_account_key(inside, account=account, kind=ApiKeyKind.API_KEY, name=name, now=now)
    return Proofs(gateway, issue_gateway_token(inside, gateway=gateway, name=name, now=now).text, key.text)


def _document(inside: Caller, profile: Profile, proofs: Proofs, check: int) -> dict[str, object]:
    env_name = env_name_for(profile.provider, Kind(profile.kind))
    return {
        "tenant": inside.tenant,
        "environment": inside.environment,
        "issuer": issuer_of(inside.tenant, inside.environment),
        "profile": {"id": profile.id, "profile": profile.key, "env_name": env_name},
        "check": check,
        "gateway": {
            "id": proofs.gateway.id,
            "audience": proofs.gateway.audience,
            "token": proofs.gateway_token.reveal(),
        },
        "lease_key": proofs.lease_key.reveal(),
    }


def _lines(document: dict[str, Any]) -> list[str]:
    gateway, profile = document["gateway"], document["profile"]
    return [
        f"Stored {profile['profile']} in {document['tenant']}/{document['environment']}; the check is fine.",
        f"Gateway {gateway['id']}, token (shown once): {gateway['token']}",
        f"Key to lease credentials with (shown once): {document['lease_key']}",
        "Next: put the key into AUTHSVC_TOKEN_FILE on the gateway's host and run authsvc-resolve there.",
    ]
