"""From nothing to a working lease in one use case: tenant, environment, provider key, check, gateway token, lease.

All of it is kept or nothing is. Run again, it stores a new version and issues new proofs, and leaves the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from authsvc.gate.authentication import admit
from authsvc.gate.onboarding import open_environment, open_tenant
from authsvc.tenants.models import Environment, Tenant
from authsvc.tenants.services import environment_caller
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict
from authsvc.web.secret_text import SecretText
from profiles.models import Profile
from profiles.services.paste import PasteRequest, paste_credential
from profiles.services.resolve import ResolveQuery, resolve_credential
from profiles.services.status import StatusQuery, status_document
from rbac.models import Gateway, GatewayKind
from rbac.services.gateways import create_gateway, issue_gateway_token
from rbac.services.grants import create_grant
from rbac.services.service_accounts import create_service_account, issue_account_key

LEASE_SCOPES = ["credentials:report", "credentials:resolve", "status:read"]
PURPOSE = "onboarding"
BROKEN = 1


class OnboardingCheckFailed(Conflict):
    """The stored credential does not pass the check, so nothing was kept."""

    slug, title = "onboarding_check_failed", "Check failed"
    default_detail = "The stored credential does not pass the check; nothing was kept."


@dataclass(frozen=True, slots=True)
class Beginning:
    """What to begin with: the credential and the gateway that is to use it."""

    credential: PasteRequest
    gateway: str
    gateway_kind: GatewayKind = GatewayKind.OPENCLAW


@dataclass(frozen=True, slots=True)
class Onboarded:
    """What there is now; both proofs are shown once. ``check`` is 0 or 2, as ``models status`` counts."""

    place: Caller
    profile: Profile
    check: int
    gateway: Gateway
    gateway_token: SecretText = field(repr=False)
    lease_key: SecretText = field(repr=False)


def find_or_open(caller: Caller, *, tenant: str, environment: str, now: datetime) -> Environment:
    """Return an environment by its two names, opening what is missing; for callers above all tenants."""
    found = Tenant.objects.filter(slug=tenant).first() or open_tenant(caller, slug=tenant, name=tenant, now=now)
    places = Environment.objects.for_tenant(found.id).select_related("tenant")
    known = places.filter(name=environment).first()
    return known or open_environment(caller, tenant=found, name=environment, now=now)


def open_and_onboard(
    caller: Caller, beginning: Beginning, secret: SecretText, *, tenant: str, environment: str, now: datetime
) -> Onboarded:
    """Onboard where there may be nothing yet; a tenant that was opened for it goes again when it fails."""
    with transaction.atomic():
        place = find_or_open(caller, tenant=tenant, environment=environment, now=now)
        return onboard(environment_caller(caller, place), beginning, secret, now=now)


def onboard(caller: Caller, beginning: Beginning, secret: SecretText, *, now: datetime) -> Onboarded:
    """Store the credential in the caller's environment, check it, and issue what a gateway leases it with.

    Raises ``ValidationFailed`` for a value of the wrong shape and ``OnboardingCheckFailed``; then nothing is kept.
    """
    with transaction.atomic():
        profile = paste_credential(caller, beginning.credential, secret, now=now).profile
        check = _checked(caller, profile, now)
        gateway = Gateway.objects.for_environment(caller).filter(name=beginning.gateway).first()
        if gateway is None:
            gateway = create_gateway(caller, name=beginning.gateway, kind=beginning.gateway_kind, now=now)
        lease_key = _lease_key(caller, beginning.gateway, now)
        token = issue_gateway_token(caller, gateway=gateway, name=beginning.gateway, now=now).text
    return Onboarded(caller, profile, check, gateway, token, lease_key)


def prove_lease(done: Onboarded, *, address: str = "", now: datetime) -> str:
    """Lease the new credential with the new key as its gateway would; returns the lease's id."""
    holder = admit(done.lease_key.reveal(), audience=API_AUDIENCE, now=now, address=address)
    query = ResolveQuery(done.profile.provider, agent=done.profile.agent, purpose=PURPOSE, pin=done.profile.id)
    return str(resolve_credential(holder, query, now=now).lease.id)


def _checked(caller: Caller, profile: Profile, now: datetime) -> int:
    query = StatusQuery(providers=frozenset({profile.provider}))
    check = int(str(status_document(caller, query, now=now)["check"]))
    if check == BROKEN:
        raise OnboardingCheckFailed
    return check


def _lease_key(caller: Caller, name: str, now: datetime) -> SecretText:
    account = create_service_account(
        caller, name=f"{name} leases {now:%Y-%m-%d %H:%M:%S}", default_scopes=LEASE_SCOPES, now=now
    )
    create_grant(caller, principal=account.principal, scopes=LEASE_SCOPES, reason="onboarding", now=now)
    return issue_account_key(caller, account=account, kind=ApiKeyKind.API_KEY, name=name, now=now).text
