"""Use cases of service accounts: create, change, disable, delete; their keys and client secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalKind, PrincipalState
from authsvc.tenants.services import create_principal, set_principal_state
from authsvc.tokens.api_keys import IssuedKey, issue_api_key, make_endless, rotate_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.jwk import registered_jwk
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from rbac.models import ServiceAccount
from rbac.scopes import AUTHSVC_ADMIN
from rbac.services.effective import require_may_hand_out
from rbac.services.roles import checked_scopes
from rbac.services.scopes import defined_scopes

JwkDocument = Mapping[str, object]


def create_service_account(
    caller: Caller,
    *,
    name: str,
    description: str = "",
    email: str = "",
    maximum_scopes: Sequence[str] = (),
    default_scopes: Sequence[str] = (),
    public_jwks: Sequence[JwkDocument] = (),
    now: datetime,
) -> ServiceAccount:
    """Create a service account without any right yet; raises ``ValidationFailed``."""
    with transaction.atomic():
        principal = create_principal(caller, kind=PrincipalKind.SERVICE_ACCOUNT, name=name, now=now)
        account = ServiceAccount(
            id=principal.id,
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            principal=principal,
            description=description,
            email=email,
            maximum_scopes=checked_scopes(maximum_scopes, field="maximum_scopes", extra=defined_scopes(caller)),
            default_scopes=checked_scopes(default_scopes, field="default_scopes", extra=defined_scopes(caller)),
            public_jwks=checked_jwks(public_jwks),
            created_at=now,
        )
        account.save(force_insert=True)
    return account


def update_service_account(
    caller: Caller,
    *,
    account: ServiceAccount,
    name: str | None = None,
    description: str | None = None,
    email: str | None = None,
    maximum_scopes: Sequence[str] | None = None,
    default_scopes: Sequence[str] | None = None,
    public_jwks: Sequence[JwkDocument] | None = None,
    state: PrincipalState | None = None,
    reason: str = "",
    now: datetime,
) -> ServiceAccount:
    """Change a service account; ``state`` enables or disables everything it holds."""
    changed = [
        label
        for label, value in (
            ("name", name),
            ("description", description),
            ("email", email),
            ("maximum_scopes", maximum_scopes),
            ("default_scopes", default_scopes),
            ("public_jwks", public_jwks),
        )
        if value is not None
    ]
    with transaction.atomic():
        if name is not None:
            account.principal.name = name
            account.principal.save(update_fields=["name"])
        if description is not None:
            account.description = description
        if email is not None:
            account.email = email
        if maximum_scopes is not None:
            account.maximum_scopes = checked_scopes(
                maximum_scopes, field="maximum_scopes", extra=defined_scopes(caller)
            )
        if default_scopes is not None:
            account.default_scopes = checked_scopes(
                default_scopes, field="default_scopes", extra=defined_scopes(caller)
            )
        if public_jwks is not None:
            require_may_hand_out(caller, [AUTHSVC_ADMIN], gateway=None, now=now)
            account.public_jwks = checked_jwks(public_jwks)
        account.save(update_fields=["description", "email", "maximum_scopes", "default_scopes", "public_jwks"])
        if changed:
            record(caller, "principal.updated", subject_id=account.id, detail={"changed": changed}, now=now)
        if state is not None and state != account.principal.state:
            set_principal_state(caller, principal=account.principal, state=state, reason=reason, now=now)
    return account


def delete_service_account(caller: Caller, *, account: ServiceAccount, now: datetime) -> None:
    """Delete a service account with its keys, grants and token rows; its name stays in the audit alone."""
    principal = account.principal
    detail = {"kind": principal.kind, "name": principal.name}
    with transaction.atomic():
        record(caller, "principal.deleted", subject_id=principal.id, detail=detail, now=now)
        principal.delete()


def issue_account_key(
    caller: Caller,
    *,
    account: ServiceAccount,
    kind: ApiKeyKind,
    name: str,
    scopes: Sequence[str] = (),
    address_ranges: Sequence[str] = (),
    expires_at: datetime | None = None,
    now: datetime,
) -> IssuedKey:
    """Issue an API key or client secret to a service account; a key carries what the account holds, at most.

    Whoever issues it could act as the account, so it must hold what the secret will ever open. The account's maximum
    is written into the key: raising it later does not widen a key that somebody took while it was low.
    """
    narrowed = checked_scopes(scopes, extra=defined_scopes(caller)) or list(account.maximum_scopes)
    require_may_hand_out(caller, _opened_by(kind, narrowed), gateway=None, now=now)
    return issue_api_key(
        caller,
        principal=account.principal,
        kind=kind,
        name=name,
        scopes=narrowed,
        address_ranges=address_ranges,
        expires_at=expires_at,
        now=now,
    )


def rotate_account_key(caller: Caller, *, key: ApiKey, overlap_seconds: int, now: datetime) -> IssuedKey:
    """Give a key a new secret, shown once; like issuing it, this needs what the secret opens. Raises ``NotHeld``."""
    require_may_use_key(caller, key, now=now)
    return rotate_api_key(caller, key=key, overlap_seconds=overlap_seconds, now=now)


def make_key_endless(caller: Caller, *, key: ApiKey, reason: str, now: datetime) -> ApiKey:
    """Let a key live until it is revoked; raises ``NotHeld``, or ``ReviewRequired`` where the tenant wants that."""
    require_may_use_key(caller, key, now=now)
    return make_endless(caller, key=key, reason=reason, now=now)


def require_may_use_key(caller: Caller, key: ApiKey, *, now: datetime) -> None:
    """Raise ``NotHeld`` unless the caller holds all that the key opens; a gateway's token opens nothing of its own."""
    if key.kind != ApiKeyKind.GATEWAY_TOKEN:
        require_may_hand_out(caller, _opened_by(ApiKeyKind(key.kind), key.scopes), gateway=None, now=now)


def checked_jwks(documents: Sequence[JwkDocument]) -> list[dict[str, str]]:
    """Return a client's public keys, checked; raises ``ValidationFailed`` saying which one is wrong and why."""
    keys = []
    for number, document in enumerate(documents):
        try:
            keys.append(registered_jwk(document))
        except TokenRefused as refusal:
            raise ValidationFailed(errors={f"public_jwks.{number}": [f"Not accepted: {refusal}."]}) from refusal
    return keys


def get_service_account(caller: Caller, account_id: str) -> ServiceAccount:
    """Return a service account of the caller's environment; raises ``NotFound``."""
    accounts = ServiceAccount.objects.for_environment(caller).select_related("principal")
    account = accounts.filter(id=account_id).first()
    if account is None:
        raise NotFound
    return account


def _opened_by(kind: ApiKeyKind, scopes: Sequence[str]) -> Sequence[str]:
    """Return what a secret opens: a narrowed API key its scopes; anything else all its account is ever granted."""
    return scopes if kind is ApiKeyKind.API_KEY and scopes else [AUTHSVC_ADMIN]
