"""Pasting a secret: a profile is created, or the one of that name gets a new version and keeps its id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from profiles.models import DEFAULT_AGENT, Credential, CredentialState, Profile
from profiles.providers import Kind
from profiles.references import profile_id_for
from profiles.services.store import (
    MAIN_FIELD,
    SecretMaterial,
    create_profile,
    find_profile,
    require_shape,
    store_version,
)


@dataclass(frozen=True, slots=True)
class PasteRequest:
    """Where a pasted secret goes."""

    provider: str
    name: str
    kind: Kind
    agent: str = DEFAULT_AGENT
    expires_at_ms: int | None = None
    origin: str = "pasted"


@dataclass(frozen=True, slots=True)
class Pasted:
    """The profile and its new current version; ``is_new`` says that the profile was made for it."""

    profile: Profile
    credential: Credential
    is_new: bool


def paste_credential(caller: Caller, request: PasteRequest, secret: SecretText, *, now: datetime) -> Pasted:
    """Store a pasted secret in one transaction; raises ``ValidationFailed`` without repeating a byte of it."""
    material = SecretMaterial(request.kind, {MAIN_FIELD[request.kind]: secret}, request.expires_at_ms)
    require_shape(caller, request.provider, material)
    with transaction.atomic():
        key = profile_id_for(request.provider, request.name)
        existing = find_profile(caller, key=key, agent=request.agent)
        if existing is not None:
            credential = store_version(caller, profile=existing, material=material, origin=request.origin, now=now)
            return Pasted(existing, credential, is_new=False)
        profile = create_profile(
            caller,
            provider=request.provider,
            name=request.name,
            material=material,
            agent=request.agent,
            origin=request.origin,
            now=now,
        )
        credentials = Credential.objects.for_environment(caller).filter(profile=profile)
        return Pasted(profile, credentials.get(state=CredentialState.CURRENT), is_new=True)
