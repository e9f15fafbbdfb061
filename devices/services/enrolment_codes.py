"""Enrolment codes for fleets: whoever holds one joins, without anybody watching, within what its maker allowed.

The maker must hold every scope the code gives. Stored as a keyed hash; used by a conditional update, so that of N + 1
simultaneous uses of an N-use code exactly N happen. Any bad code is the same 401.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, acts_of
from authsvc.tenants.models import TenantState
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.opaque import pepper
from authsvc.web.address_ranges import checked_address_ranges, is_address_allowed
from authsvc.web.caller import Caller
from authsvc.web.identifiers import random_base62
from authsvc.web.problems import Forbidden, NotFound, Unauthenticated
from authsvc.web.secret_text import SecretText
from devices.models import EnrolmentCode
from devices.services.enrol import Enrolment, Identity, enrol_device
from devices.services.lifecycle import admit_device
from devices.snapshot import digest
from devices.trust import TrustLevel
from devices.trust_changes import Happening, TrustEvent
from rbac.models import Gateway
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes
from rbac.services.effective import require_may_hand_out
from rbac.services.roles import checked_scopes
from rbac.services.scopes import defined_scopes

PREFIX = "aec_"
SECRET_LENGTH = 43


class CodeDoesNotCover(Forbidden):
    """The device asks for more than its enrolment code gives."""

    slug, title = "enrolment_code_exceeded", "Beyond the enrolment code"
    default_detail = "The device asks for more than the enrolment code gives."


@dataclass(frozen=True, slots=True)
class IssuedEnrolmentCode:
    """A fresh code: the row, and the text that is shown once."""

    row: EnrolmentCode
    code: SecretText


def create_enrolment_code(
    caller: Caller,
    *,
    name: str,
    maximum_uses: int,
    expires_in: int,
    trust_level: int,
    scopes: Sequence[str] = (),
    address_ranges: Sequence[str] = (),
    gateway: Gateway | None = None,
    now: datetime,
) -> IssuedEnrolmentCode:
    """Make a code; raises ``NotHeld`` for scopes the maker lacks and ``ValidationFailed`` for bad fields."""
    given = checked_scopes(scopes, extra=defined_scopes(caller))
    require_may_hand_out(caller, given, gateway=gateway, now=now)
    code = SecretText(PREFIX + random_base62(SECRET_LENGTH))
    row = EnrolmentCode(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        name=name,
        code_hash=_hash(code.reveal()),
        last_four=code.reveal()[-4:],
        maximum_uses=maximum_uses,
        address_ranges=checked_address_ranges(address_ranges),
        scopes=given,
        gateway=gateway,
        trust_level=trust_level,
        created_by=caller.principal_id,
        created_at=now,
        expires_at=now + timedelta(seconds=expires_in),
    )
    with transaction.atomic():
        row.save(force_insert=True)
        detail = {
            "name": name,
            "maximum_uses": maximum_uses,
            "scopes": given,
            "gateway_id": gateway.id if gateway else "",
            "trust_level": trust_level,
            "expires_at": row.expires_at.isoformat(),
        }
        record(caller, "enrolment_code.created", subject_id=row.id, detail=detail, now=now)
    return IssuedEnrolmentCode(row, code)


def holder_of_code(code: str, *, address: str, request_id: str, now: datetime) -> Caller:
    """Return who holds a code, used up or not, for a repeat of what it was used for; raises ``Unauthenticated``."""
    return _holder(_known_code(code, address, now), address, request_id)


def enrol_with_code(
    code: str, *, identity: Identity, address: str, request_id: str, fields: Mapping[str, Any], now: datetime
) -> Enrolment:
    """Enrol and approve a device in one transaction; raises ``Unauthenticated`` or ``CodeDoesNotCover``."""
    row = _known_code(code, address, now)
    if row.uses >= row.maximum_uses:
        raise Unauthenticated
    caller = _holder(row, address, request_id)
    wanted = list(fields.get("requested_scopes") or row.scopes)
    if identity.operator_scopes or HeldScopes(row.scopes, admin_scope=AUTHSVC_ADMIN).missing(wanted):
        raise CodeDoesNotCover
    described = {**fields, "requested_scopes": wanted, "gateway": row.gateway}
    with transaction.atomic():
        _use(caller, row, now)
        enrolled = enrol_device(caller, **described, identity=replace(identity, enrolment_code_id=row.id), now=now)
        level = _level_given(row)
        event = TrustEvent(Happening.APPROVED, level=level, reason=f"enrolment code {row.name}")
        seen = digest(enrolled.device.snapshot())
        device = admit_device(caller, enrolled.device, seen=seen, event=event, now=now)
        detail = {"device_id": device.id, "uses": row.uses, "maximum_uses": row.maximum_uses}
        record(caller, "enrolment_code.used", subject_id=row.id, detail=detail, now=now)
    return Enrolment(device, enrolled.secret, "")


def _level_given(row: EnrolmentCode) -> TrustLevel:
    """Return the level a code gives; the highest needs a person, where the tenant wants two for it."""
    level = TrustLevel(row.trust_level)
    if level is TrustLevel.TRUSTED and Act.TRUST in acts_of(row.tenant_id):
        return TrustLevel.VERIFIED
    return level


def get_enrolment_code(caller: Caller, code_id: str) -> EnrolmentCode:
    """Return a code of the caller's environment; raises ``NotFound``."""
    row = EnrolmentCode.objects.for_environment(caller).filter(id=code_id).first()
    if row is None:
        raise NotFound
    return row


def revoke_enrolment_code(caller: Caller, *, row: EnrolmentCode, now: datetime) -> bool:
    """End a code at once; True when it was alive. Devices that joined with it stay."""
    with transaction.atomic():
        alive = EnrolmentCode.objects.for_environment(caller).filter(id=row.id, revoked_at__isnull=True)
        if not alive.update(revoked_at=now):
            return False
        detail = {"name": row.name, "uses": row.uses}
        record(caller, "enrolment_code.revoked", subject_id=row.id, detail=detail, now=now)
    return True


def _holder(row: EnrolmentCode, address: str, request_id: str) -> Caller:
    system = environment_caller(system_caller(request_id=request_id), row.environment)
    return replace(system, principal_id=row.id, address=address)


def _known_code(code: str, address: str, now: datetime) -> EnrolmentCode:
    rows = EnrolmentCode.unscoped.select_related("environment__tenant", "gateway").filter(
        code_hash=_hash(code),
        revoked_at__isnull=True,
        expires_at__gt=now,
        environment__tenant__state=TenantState.ACTIVE,
    )
    row = rows.first()
    if not isinstance(row, EnrolmentCode) or not is_address_allowed(address, row.address_ranges):
        raise Unauthenticated
    return row


def _use(caller: Caller, row: EnrolmentCode, now: datetime) -> None:
    living = EnrolmentCode.objects.for_environment(caller).filter(id=row.id, revoked_at__isnull=True)
    if not living.filter(uses__lt=F("maximum_uses"), expires_at__gt=now).update(uses=F("uses") + 1):
        raise Unauthenticated
    row.refresh_from_db(fields=["uses"])


def _hash(code: str) -> str:
    return hmac.new(pepper(), f"enrolment code|{code}".encode(), hashlib.sha256).hexdigest()
