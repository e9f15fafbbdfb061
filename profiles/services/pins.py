"""Session pins: a person's pin is kept until a person clears it; the service's own follows what it last served."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from profiles.candidates import Pin, PinSource
from profiles.models import DEFAULT_AGENT, Profile, SessionPin


def find_pin(caller: Caller, *, session: str) -> SessionPin | None:
    """Return the pin of a session, if it has one."""
    return SessionPin.objects.for_environment(caller).filter(session=session).first() if session else None


def get_pin(caller: Caller, *, session: str) -> SessionPin:
    """Return the pin of a session; raises ``NotFound``."""
    pin = find_pin(caller, session=session)
    if pin is None:
        raise NotFound
    return pin


def set_pin(
    caller: Caller, *, session: str, profile: str, source: PinSource, agent: str = DEFAULT_AGENT, now: datetime
) -> SessionPin:
    """Tie a session to a profile, given by id or by name; raises ``ValidationFailed`` for an unknown one."""
    named = named_profile(caller, text=profile, agent=agent)
    if named is None:
        raise ValidationFailed(errors={"profile": ["There is no such profile here."]})
    with transaction.atomic():
        pin, _ = SessionPin.objects.for_environment(caller).update_or_create(
            session=session,
            defaults={
                "profile_key": named.key,
                "provider": named.provider,
                "source": source.value,
                "created_by": caller.principal_id,
                "created_at": now,
            },
            create_defaults={
                "tenant_id": caller.tenant_id,
                "environment_id": caller.environment_id,
                "profile_key": named.key,
                "provider": named.provider,
                "source": source.value,
                "created_by": caller.principal_id,
                "created_at": now,
            },
        )
        detail = {"session": session, "profile": named.key, "source": source.value}
        record(caller, "pin.set", subject_id=named.id, detail=detail, now=now)
    return pin


def clear_pin(caller: Caller, *, session: str, now: datetime) -> bool:
    """Remove a session's pin; True when there was one."""
    with transaction.atomic():
        pin = SessionPin.objects.for_environment(caller).select_for_update().filter(session=session).first()
        if pin is None:
            return False
        detail = {"session": session, "profile": pin.profile_key}
        record(caller, "pin.cleared", subject_id=session, detail=detail, now=now)
        pin.delete()
    return True


def named_profile(caller: Caller, *, text: str, agent: str) -> Profile | None:
    """Return the profile meant by an id (``prf_…``) or a name (``provider:name``): the agent's own goes first."""
    profiles = Profile.objects.for_environment(caller).filter(agent__in={agent, DEFAULT_AGENT})
    by_id = profiles.filter(id=text).first()
    if by_id is not None:
        return by_id
    return min(profiles.filter(key=text), key=lambda profile: profile.agent != agent, default=None)


def effective_pin(caller: Caller, *, wanted: str | None, session: str, provider: str, agent: str) -> Pin | None:
    """Return the pin of a request: the one it names, else its session's when that is for the same provider."""
    if wanted is not None:
        named = named_profile(caller, text=wanted, agent=agent)
        return Pin(wanted if named is None else named.key, PinSource.USER)
    pin = find_pin(caller, session=session)
    if pin is None or pin.provider != provider:
        return None
    return Pin(pin.profile_key, PinSource(pin.source))


def remember_choice(caller: Caller, *, session: str, profile: Profile, now: datetime) -> None:
    """Keep a session on the profile it was just served with, unless a person pinned it or another provider holds it.

    A preference, not a change anybody asked for: it is not audited, the lease is.
    """
    pin = find_pin(caller, session=session)
    if pin is None:
        fresh = SessionPin(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            session=session,
            profile_key=profile.key,
            provider=profile.provider,
            source=PinSource.AUTO.value,
            created_by=caller.principal_id,
            created_at=now,
        )
        # Two first requests of one session may meet here; either choice is good, so the second is dropped.
        SessionPin.objects.for_environment(caller).bulk_create([fresh], ignore_conflicts=True)
        return
    if pin.source == PinSource.AUTO and pin.provider == profile.provider and pin.profile_key != profile.key:
        own = SessionPin.objects.for_environment(caller).filter(id=pin.pk, source=PinSource.AUTO.value)
        own.update(profile_key=profile.key)
