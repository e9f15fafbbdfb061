"""Use cases of gateways: register an audience, change it, issue its gateway tokens, delete it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Principal, PrincipalKind
from authsvc.tenants.services import create_principal
from authsvc.tokens.api_keys import IssuedKey, issue_api_key
from authsvc.tokens.formats import parse_imported
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.jwt import ALGORITHMS, DEFAULT_ALGORITHM, SHARED_SECRET_ALGORITHM
from authsvc.tokens.keys import active_key, create_shared_secret, retire_shared_secrets
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText
from rbac.claim_mapping import checked_mapping
from rbac.models import Gateway, GatewayKind
from rbac.scopes import AGENTOS_ADMIN, parse_admin_scope
from rbac.services.roles import NameTaken

FETCH_STAMP_SECONDS = 60


def create_gateway(
    caller: Caller,
    *,
    name: str,
    kind: GatewayKind,
    audience: str = "",
    algorithm: str = DEFAULT_ALGORITHM,
    admin_scope: str = AGENTOS_ADMIN,
    url: str = "",
    claims: Mapping[str, str] | None = None,
    shares_tokens: bool = False,
    now: datetime,
) -> Gateway:
    """Register a gateway; its audience defaults to its id. Raises ``ValidationFailed`` or ``NameTaken``."""
    _require_algorithm(algorithm)
    if audience == API_AUDIENCE:
        raise ValidationFailed(errors={"audience": [f"{API_AUDIENCE!r} is this service itself."]})
    with transaction.atomic():
        principal = create_principal(caller, kind=PrincipalKind.GATEWAY, name=name, now=now)
        gateway = Gateway(
            id=principal.id,
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            principal=principal,
            kind=kind,
            name=name,
            audience=audience or principal.id,
            algorithm=algorithm,
            admin_scope=parse_admin_scope(admin_scope),
            url=url,
            claims=checked_mapping(claims or {}),
            shares_tokens=shares_tokens,
            created_at=now,
        )
        if Gateway.objects.for_environment(caller).filter(audience=gateway.audience).exists():
            raise NameTaken("A gateway with this audience exists here.")
        gateway.save(force_insert=True)
        detail = {"kind": str(kind), "audience": gateway.audience, "name": name}
        record(caller, "gateway.created", subject_id=gateway.id, detail=detail, now=now)
        active_key(caller, algorithm=algorithm, now=now)  # published before its first token, for files fetched early
    return gateway


def update_gateway(
    caller: Caller,
    *,
    gateway: Gateway,
    name: str | None = None,
    algorithm: str | None = None,
    admin_scope: str | None = None,
    url: str | None = None,
    claims: Mapping[str, str] | None = None,
    allowed_principals: Sequence[str] | None = None,
    shares_tokens: bool | None = None,
    now: datetime,
) -> Gateway:
    """Change a gateway; its audience stays, tokens out there carry it. Raises ``ValidationFailed``."""
    mapping = None if claims is None else checked_mapping(claims)
    new: dict[str, object] = {
        "name": name,
        "algorithm": algorithm,
        "admin_scope": admin_scope,
        "url": url,
        "claims": mapping,
        "shares_tokens": shares_tokens,
    }
    if allowed_principals is not None:
        new["allowed_principals"] = _checked_principals(caller, allowed_principals)
    changed = [field for field, value in new.items() if value is not None]
    if algorithm is not None:
        _require_algorithm(algorithm)
    if admin_scope is not None:
        parse_admin_scope(admin_scope)
    with transaction.atomic():
        if algorithm is not None and gateway.algorithm == SHARED_SECRET_ALGORITHM:
            retire_shared_secrets(caller, audience=gateway.audience, now=now)
        for field in changed:
            setattr(gateway, field, new[field])
        gateway.save(update_fields=changed)
        record(caller, "gateway.updated", subject_id=gateway.id, detail={"changed": changed}, now=now)
    return gateway


def delete_gateway(caller: Caller, *, gateway: Gateway, now: datetime) -> None:
    """Delete a gateway with its tokens, grants and channel policies."""
    with transaction.atomic():
        detail = {"audience": gateway.audience}
        record(caller, "gateway.deleted", subject_id=gateway.id, detail=detail, now=now)
        gateway.principal.delete()


def acknowledge_key_set(caller: Caller, *, gateway: Gateway, kids: Sequence[str], now: datetime) -> Gateway:
    """Note which keys a gateway has loaded: a next key is activated only after every gateway has it.

    A program may say the same every few minutes: the time is kept, and an event written for what is new alone.
    """
    said = sorted(set(kids))
    is_known, gateway.acknowledged_kids, gateway.acknowledged_at = said == gateway.acknowledged_kids, said, now
    if is_known:
        gateway.save(update_fields=["acknowledged_at"])
        return gateway
    with transaction.atomic():
        gateway.save(update_fields=["acknowledged_kids", "acknowledged_at"])
        detail = {"kids": gateway.acknowledged_kids}
        record(caller, "gateway.key_set_acknowledged", subject_id=gateway.id, detail=detail, now=now)
    return gateway


def note_key_set_fetched(caller: Caller, *, kids: Sequence[str], now: datetime) -> None:
    """Note that the calling gateway fetched the key set: a new set at once and audited, the time once a minute."""
    gateway = Gateway.objects.for_environment(caller).filter(id=caller.principal_id).first()
    if gateway is None:
        return
    fetched = sorted(set(kids))
    rows = Gateway.objects.for_environment(caller).filter(id=gateway.id)
    if fetched != gateway.fetched_kids:
        with transaction.atomic():
            rows.update(fetched_kids=fetched, fetched_at=now)
            record(caller, "gateway.key_set_fetched", subject_id=gateway.id, detail={"kids": fetched}, now=now)
    elif gateway.fetched_at is None or (now - gateway.fetched_at).total_seconds() >= FETCH_STAMP_SECONDS:
        rows.update(fetched_at=now)


def use_shared_secret(caller: Caller, *, gateway: Gateway, now: datetime) -> SecretText:
    """Let a development gateway check with a shared secret (HS256), made anew; raises ``SharedSecretRefused``."""
    with transaction.atomic():
        _, secret = create_shared_secret(caller, audience=gateway.audience, now=now)
        gateway.algorithm = SHARED_SECRET_ALGORITHM
        gateway.save(update_fields=["algorithm"])
        record(caller, "gateway.updated", subject_id=gateway.id, detail={"changed": ["algorithm"]}, now=now)
    return secret


def issue_gateway_token(
    caller: Caller, *, gateway: Gateway, name: str, expires_at: datetime | None = None, now: datetime
) -> IssuedKey:
    """Issue an opaque gateway token; it is shown once."""
    return issue_api_key(
        caller,
        principal=gateway.principal,
        kind=ApiKeyKind.GATEWAY_TOKEN,
        name=name,
        expires_at=expires_at,
        now=now,
    )


def import_gateway_token(
    caller: Caller, *, gateway: Gateway, token: str, name: str, expires_at: datetime | None = None, now: datetime
) -> IssuedKey:
    """Accept a gateway token that exists already, 64 random hex digits; raises ``ValidationFailed`` at ``token``.

    Only its keyed hash is kept. A rotation replaces it by one of ours; until the overlap ends both work.
    """
    text = parse_imported(token)
    if text is None:
        raise ValidationFailed(errors={"token": ["Give 64 random hex digits, all of one case."]})
    return issue_api_key(
        caller,
        principal=gateway.principal,
        kind=ApiKeyKind.GATEWAY_TOKEN,
        name=name,
        expires_at=expires_at,
        imported=text,
        now=now,
    )


def get_gateway(caller: Caller, gateway_id: str) -> Gateway:
    """Return a gateway of the caller's environment; raises ``NotFound``."""
    gateway = Gateway.objects.for_environment(caller).select_related("principal").filter(id=gateway_id).first()
    if gateway is None:
        raise NotFound
    return gateway


def _checked_principals(caller: Caller, ids: Sequence[str]) -> list[str]:
    """Return the ids of service accounts and devices of the caller's environment, each once."""
    wanted = sorted(set(ids))
    rows = Principal.objects.for_environment(caller).filter(id__in=wanted).exclude(kind=PrincipalKind.GATEWAY)
    unknown = set(wanted) - set(rows.values_list("id", flat=True))
    if unknown:
        raise ValidationFailed(errors={"allowed_principals": [f"No such principal: {sorted(unknown)[0][:60]!r}."]})
    return wanted


def _require_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise ValidationFailed(errors={"algorithm": [f"Choose one of {', '.join(ALGORITHMS)}."]})
