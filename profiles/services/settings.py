"""How one environment wants its credentials chosen, rested and watched; one that said nothing gets the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from django.db import transaction

from authsvc.audit.changes import Remembered
from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from profiles.backoff import PRESETS, BackoffPreset
from profiles.models import ProfileSettings
from profiles.providers import Kind

_KNOWN: Remembered[str, ProfileSettings] = Remembered(4096)
_SETTINGS = Prepared(
    lambda tenant_id, environment_id: (
        ProfileSettings.objects.for_tenant(tenant_id).filter(environment_id=environment_id).order_by()
    )
)


def profile_settings(caller: Caller) -> ProfileSettings:
    """Return the environment's settings for reading, unsaved defaults when it has none; writes nothing.

    They are looked up once per change of the tenant.
    """
    where = {"tenant_id": caller.tenant_id, "environment_id": caller.environment_id}
    look = partial(_SETTINGS.first, **where)
    return _KNOWN.known(caller.environment_id, caller.tenant_id, lambda: look() or ProfileSettings(**where))


def update_profile_settings(caller: Caller, *, changes: Mapping[str, object], now: datetime) -> ProfileSettings:
    """Change the environment's settings; ``changes`` holds only known fields."""
    with transaction.atomic():
        settings, _ = ProfileSettings.objects.for_environment(caller).get_or_create(
            defaults={"tenant_id": caller.tenant_id, "environment_id": caller.environment_id, "created_at": now}
        )
        for name, value in changes.items():
            setattr(settings, name, value)
        settings.save(update_fields=list(changes))
        record(
            caller,
            "profile_settings.updated",
            subject_id=caller.environment_id,
            detail={"changed": sorted(changes)},
            now=now,
        )
    return settings


def preset_of(settings: ProfileSettings) -> BackoffPreset:
    """Return the environment's backoff numbers."""
    return PRESETS[settings.backoff_preset]


def preferred_kind_of(settings: ProfileSettings) -> Kind | None:
    """Return the kind that goes first where no order is set; ``None`` leaves it to the upstream order."""
    return Kind(settings.preferred_kind) if settings.preferred_kind else None
