"""Use cases of roles: create, change, delete, and the four presets every environment starts with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, acts_of
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from rbac.catalogue import PRESET_ROLES, lint
from rbac.models import Grant, Role
from rbac.services.administration import administration_in, require_confirmation
from rbac.services.effective import require_may_hand_out
from rbac.services.scopes import defined_scopes


class RoleInUse(Conflict):
    """The role is granted to somebody."""

    slug, title = "role_in_use", "Role in use"
    default_detail = "The role is granted to somebody; revoke those grants first."


class RoleIsHeld(Conflict):
    """Somebody holds the role, so that changing it would grant an administrator's scope without a second operator."""

    slug, title = "role_is_held", "Somebody holds this role"
    default_detail = "Somebody holds this role; put an administrator's scope into a new one and ask for its grant."


class NameTaken(Conflict):
    """Another row of this environment has the name."""

    slug, title = "name_taken", "Name already in use"
    default_detail = "This name is already in use here."


def create_role(caller: Caller, *, name: str, scopes: Sequence[str], description: str = "", now: datetime) -> Role:
    """Create a role from scopes the caller holds; raises ``ValidationFailed``, ``NotHeld`` or ``NameTaken``."""
    wanted = checked_scopes(scopes, extra=defined_scopes(caller))
    require_may_hand_out(caller, wanted, gateway=None, now=now)
    role = Role(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        name=name,
        description=description,
        scopes=wanted,
        created_at=now,
    )
    with transaction.atomic():
        _require_free_name(caller, name)
        role.save(force_insert=True)
        record(caller, "role.created", subject_id=role.id, detail={"name": name, "scopes": wanted}, now=now)
    return role


def update_role(
    caller: Caller,
    *,
    role: Role,
    name: str | None = None,
    description: str | None = None,
    scopes: Sequence[str] | None = None,
    confirmed: Collection[str] | None = None,
    now: datetime,
) -> Role:
    """Change a role; its new scopes must be held by the caller, like those of a new one.

    Making administrators of those who hold it raises ``RoleIsHeld`` or ``ConfirmationRequired``.
    """
    with transaction.atomic():
        if scopes is not None:
            _require_no_hidden_grant(caller, role, scopes, confirmed)
            role.scopes = checked_scopes(scopes, extra=defined_scopes(caller))
            require_may_hand_out(caller, role.scopes, gateway=None, now=now)
        if name is not None and name != role.name:
            _require_free_name(caller, name)
            role.name = name
        if description is not None:
            role.description = description
        role.save(update_fields=["name", "description", "scopes"])
        detail = {"name": role.name, "scopes": role.scopes}
        record(caller, "role.updated", subject_id=role.id, detail=detail, now=now)
    return role


def delete_role(caller: Caller, *, role: Role, now: datetime) -> None:
    """Delete a role nobody is granted; dead grants of it go with it. Raises ``RoleInUse``."""
    with transaction.atomic():
        grants = Grant.objects.for_environment(caller).filter(role=role)
        if grants.filter(revoked_at__isnull=True).exists():
            raise RoleInUse
        grants.delete()
        record(caller, "role.deleted", subject_id=role.id, detail={"name": role.name}, now=now)
        role.delete()


def get_role(caller: Caller, role_id: str) -> Role:
    """Return a role of the caller's environment; raises ``NotFound``."""
    role = Role.objects.for_environment(caller).filter(id=role_id).first()
    if role is None:
        raise NotFound
    return role


def create_preset_roles(caller: Caller, *, now: datetime) -> list[Role]:
    """Create the preset roles an environment does not have yet."""
    known = set(Role.objects.for_environment(caller).values_list("name", flat=True))
    return [
        create_role(caller, name=preset.name, description=preset.sentence, scopes=sorted(preset.scopes), now=now)
        for preset in PRESET_ROLES
        if preset.name not in known
    ]


def checked_scopes(scopes: Sequence[str], *, field: str = "scopes", extra: Collection[str] = ()) -> list[str]:
    """Return the scopes once each, in order; raises ``ValidationFailed`` naming each bad one with a suggestion.

    ``extra`` are the scopes that the tenant added to the catalogue.
    """
    refusals = [
        finding.message + (f" Did you mean {finding.suggestion}?" if finding.suggestion else "")
        for scope in scopes
        for finding in lint(scope, extra)
        if finding.is_refusal
    ]
    if refusals:
        raise ValidationFailed(errors={field: refusals[:20]})
    return list(dict.fromkeys(scopes))


def _require_no_hidden_grant(
    caller: Caller, role: Role, scopes: Sequence[str], confirmed: Collection[str] | None
) -> None:
    """Refuse what would make the holders of a role administrators where that needs a second operator, or a word."""
    administration = administration_in(caller, set(scopes) - set(role.scopes))
    living = Grant.objects.for_environment(caller).filter(role=role, revoked_at__isnull=True)
    if caller.review_id or not administration or not living.exists():
        return
    if Act.ADMIN_GRANT in acts_of(caller.tenant_id):
        raise RoleIsHeld
    require_confirmation(caller, administration, confirmed)


def _require_free_name(caller: Caller, name: str) -> None:
    if Role.objects.for_environment(caller).filter(name=name).exists():
        raise NameTaken
