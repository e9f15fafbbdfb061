"""Invitations by link: single use, for three days, stored as a keyed hash.

Who has no account makes one with the link. Who has one signs in and joins as themselves: a link never gives anybody an
existing operator's account, nor changes the role of somebody who is a member already.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet

from authsvc.audit.record import record
from authsvc.operators.models import Invitation
from authsvc.operators.sealing import hash_invitation
from authsvc.tenants.models import Membership, MembershipRole, Operator, Tenant, TenantState
from authsvc.tenants.operators import require_may_name
from authsvc.tenants.services import add_membership, create_operator, system_caller, tenant_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, Problem, ValidationFailed
from authsvc.web.secret_text import SecretText

LIFE = timedelta(days=3)
SECRET_BYTES = 32
MAXIMUM_INVITED = 254


class InvitationOver(Problem):
    """The invitation was used, withdrawn, or has ended."""

    slug, title, status = "invitation_over", "This invitation is over", 410
    default_detail = "This invitation was used, withdrawn, or has ended. Ask for another one."


class SignInToAccept(Conflict):
    """The invited operator exists: only they can accept."""

    slug, title = "sign_in_to_accept", "Sign in to accept"
    default_detail = "There is an account for this invitation. Sign in with it, then open the link again."


class AlreadyMember(Conflict):
    """The operator works in this tenant already."""

    slug, title = "already_member", "Already a member"
    default_detail = "This operator is a member of the tenant already; change the role there."


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """A fresh invitation and its link, shown once."""

    invitation: Invitation
    link: SecretText


def invite(caller: Caller, *, tenant: Tenant, invited: str, role: MembershipRole, now: datetime) -> SentInvitation:
    """Invite an e-mail address or a name; raises ``Forbidden``, ``AlreadyMember`` or ``ValidationFailed``."""
    name = invited.strip()
    if not name or len(name) > MAXIMUM_INVITED:
        raise ValidationFailed(errors={"invited": ["Say whom: an e-mail address or a name."]})
    require_may_name(caller, tenant.id, role=role)
    inside = tenant_caller(caller, tenant)
    if Membership.objects.for_tenant(tenant.id).filter(operator__in=known_operators(name)).exists():
        raise AlreadyMember
    secret = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        row = Invitation(
            tenant=tenant,
            invited=name,
            role=role,
            secret_hash=hash_invitation(secret),
            invited_by=caller.principal_id[:150],
            created_at=now,
            expires_at=now + LIFE,
        )
        row.save(force_insert=True)
        detail = {"invited": name, "role": str(role), "expires_at": row.expires_at.isoformat()}
        record(inside, "invitation.created", subject_id=row.id, detail=detail, now=now)
    return SentInvitation(row, SecretText(f"{settings.AUTHSVC_BASE_URL}/admin/join/{secret}/"))


def withdraw_invitation(caller: Caller, *, invitation: Invitation, now: datetime) -> Invitation:
    """Make a link useless; raises ``InvitationOver`` when it is already."""
    with transaction.atomic():
        open_ones = _open_ones(Invitation.objects.for_tenant(invitation.tenant_id), now)
        if not open_ones.filter(pk=invitation.pk).update(withdrawn_at=now):
            raise InvitationOver
        invitation.withdrawn_at = now
        detail = {"invited": invitation.invited, "role": invitation.role}
        inside = tenant_caller(caller, invitation.tenant)
        record(inside, "invitation.withdrawn", subject_id=invitation.id, detail=detail, now=now)
    return invitation


def get_invitation(tenant_id: str, invitation_id: str) -> Invitation:
    """Return an invitation of a tenant; raises ``NotFound``."""
    found = Invitation.objects.for_tenant(tenant_id).select_related("tenant").filter(pk=invitation_id).first()
    if found is None:
        raise NotFound
    return found


def find_open(secret: str, *, now: datetime) -> Invitation | None:
    """Return the living invitation of a link, before its tenant is known; ``None`` for every other text."""
    rows = Invitation.unscoped.select_related("tenant").filter(secret_hash=hash_invitation(secret))
    return _open_ones(rows, now).first()


def find_open_by_id(invitation_id: str, *, now: datetime) -> Invitation | None:
    """Return a living invitation whose link this browser has opened."""
    rows = Invitation.unscoped.select_related("tenant").filter(pk=invitation_id)
    return _open_ones(rows, now).first()


def known_operators(invited: str) -> list[Operator]:
    """Return the operators whom an invitation's address or name already belongs to."""
    return list(Operator.objects.filter(Q(username__iexact=invited) | Q(email__iexact=invited)))


def accept_as_new(*, invitation: Invitation, username: str, password: str, now: datetime) -> Operator:
    """Make an account and its membership with one link.

    Raises ``SignInToAccept`` when the invited person has an account, ``ValidationFailed`` for a name that is taken or a
    weak password, ``InvitationOver`` for the second of two at once.
    """
    if known_operators(invitation.invited):
        raise SignInToAccept
    name = username.strip()
    if not name or Operator.objects.filter(username__iexact=name).exists():
        raise ValidationFailed(errors={"username": ["Choose another name."]})
    email = invitation.invited if "@" in invitation.invited else ""
    try:
        validate_password(password, Operator(username=name, email=email))
    except ValidationError as error:
        raise ValidationFailed(errors={"password": list(error.messages)}) from error
    with transaction.atomic():
        _use_up(invitation, now)
        caller = tenant_caller(system_caller(), invitation.tenant)
        operator = create_operator(caller, username=name, password=password, is_platform=False, email=email, now=now)
        _join(invitation, operator, now)
    return operator


def accept_as_known(*, invitation: Invitation, operator: Operator, now: datetime) -> Operator:
    """Join a tenant as the operator signed in; raises ``SignInToAccept``, ``AlreadyMember``, ``InvitationOver``."""
    known = known_operators(invitation.invited)
    if known and operator.pk not in {row.pk for row in known}:
        raise SignInToAccept
    if Membership.objects.for_tenant(invitation.tenant_id).filter(operator=operator).exists():
        raise AlreadyMember
    with transaction.atomic():
        _use_up(invitation, now)
        _join(invitation, operator, now)
    return operator


def _join(invitation: Invitation, operator: Operator, now: datetime) -> None:
    caller = tenant_caller(system_caller(), invitation.tenant)
    Invitation.objects.for_tenant(invitation.tenant_id).filter(pk=invitation.pk).update(accepted_by=operator.id)
    role = MembershipRole(invitation.role)
    add_membership(caller, operator=operator, tenant=invitation.tenant, role=role, now=now)
    detail = {"operator_id": operator.id, "role": invitation.role}
    record(caller, "invitation.accepted", subject_id=invitation.id, detail=detail, now=now)


def _use_up(invitation: Invitation, now: datetime) -> None:
    """Mark the invitation used, if nobody did (one conditional UPDATE); raises ``InvitationOver``."""
    rows = _open_ones(Invitation.objects.for_tenant(invitation.tenant_id), now)
    if not rows.filter(pk=invitation.pk, tenant__state=TenantState.ACTIVE).update(accepted_at=now):
        raise InvitationOver


def _open_ones(rows: QuerySet[Invitation], now: datetime) -> QuerySet[Invitation]:
    return rows.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=now)
