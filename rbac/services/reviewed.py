"""The acts of this room that a tenant may want two operators for: administrators' grants, and keys without an end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from authsvc.tenants.four_eyes import Act, Fields
from authsvc.tenants.review_lines import ReviewLine, shown
from authsvc.tenants.reviews import ReviewedAct, register
from authsvc.tokens.api_keys import get_api_key
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from rbac.models import Gateway, Role
from rbac.services.effective import require_may_hand_out
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant, get_principal
from rbac.services.roles import checked_scopes, get_role
from rbac.services.scopes import defined_scopes
from rbac.services.service_accounts import make_key_endless, require_may_use_key


def text_of(fields: Fields, name: str) -> str:
    """Return a text of a request, empty when it is absent; raises ``ValidationFailed`` for anything else."""
    value = fields.get(name) or ""
    if not isinstance(value, str) or len(value) > 2000 or "\x00" in value:
        raise ValidationFailed(errors={name: ["Give a text."]})
    return value


def _describe_grant(caller: Caller, fields: Fields, now: datetime) -> Sequence[ReviewLine]:
    principal = get_principal(caller, text_of(fields, "principal_id"))
    role, gateway, scopes = _role(caller, fields), _gateway(caller, fields), _scopes(caller, fields)
    held = [*(role.scopes if role else ()), *scopes]
    require_may_hand_out(caller, held, gateway=gateway, now=now)
    where = f"at {gateway.name}" if gateway else "everywhere"
    until = _moment(fields)
    return [
        ReviewLine(f"{principal.kind.replace('_', ' ')} {principal.name} ({principal.id})", "", shown(held)),
        ReviewLine("Granted by the role", "", f"{role.name} ({role.id})" if role else "none"),
        ReviewLine("Where", "", where),
        ReviewLine("Until", "", f"{until:%Y-%m-%d %H:%M} UTC" if until else "it is revoked"),
    ]


def _apply_grant(caller: Caller, fields: Fields, now: datetime) -> object:
    return create_grant(
        caller,
        principal=get_principal(caller, text_of(fields, "principal_id")),
        role=_role(caller, fields),
        scopes=_scopes(caller, fields),
        gateway=_gateway(caller, fields),
        expires_at=_moment(fields),
        reason=text_of(fields, "reason"),
        now=now,
    )


def _describe_endless(caller: Caller, fields: Fields, now: datetime) -> Sequence[ReviewLine]:
    key = get_api_key(caller, text_of(fields, "key_id"))
    require_may_use_key(caller, key, now=now)
    end = f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never"
    return [
        ReviewLine(f"{key.get_kind_display()} {key.name} …{key.last_four} of {key.principal.name}", end, "never"),
        ReviewLine("What it opens", shown(key.scopes) or "all its owner holds", "the same"),
    ]


def _apply_endless(caller: Caller, fields: Fields, now: datetime) -> object:
    key = get_api_key(caller, text_of(fields, "key_id"))
    return make_key_endless(caller, key=key, reason=text_of(fields, "reason"), now=now)


def _role(caller: Caller, fields: Fields) -> Role | None:
    role_id = text_of(fields, "role_id")
    return get_role(caller, role_id) if role_id else None


def _gateway(caller: Caller, fields: Fields) -> Gateway | None:
    gateway_id = text_of(fields, "gateway_id")
    return get_gateway(caller, gateway_id) if gateway_id else None


def _scopes(caller: Caller, fields: Fields) -> list[str]:
    scopes = fields.get("scopes") or []
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise ValidationFailed(errors={"scopes": ["Give a list of scopes."]})
    if not scopes and not text_of(fields, "role_id"):
        raise ValidationFailed(errors={"role_id": ["Give a role or scopes."]})
    return checked_scopes(scopes, extra=defined_scopes(caller))


def _moment(fields: Fields) -> datetime | None:
    text = text_of(fields, "expires_at")
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise ValidationFailed(errors={"expires_at": ["Give a time in ISO 8601."]}) from error
    if moment is not None and moment.tzinfo is None:
        raise ValidationFailed(errors={"expires_at": ["Give the time with its zone."]})
    return moment


register(ReviewedAct(Act.ADMIN_GRANT, "grants:write", _describe_grant, _apply_grant))
register(ReviewedAct(Act.ENDLESS_KEY, "service_accounts:write", _describe_endless, _apply_endless))
