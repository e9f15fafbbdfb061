"""Storing credentials: a profile and its sealed versions in one transaction; a new version keeps the profile's id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from authsvc.audit.record import record
from authsvc.tokens.formats import keyed_hash
from authsvc.tokens.opaque import pepper
from authsvc.vault.services import open_text, seal_text
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText
from profiles.interchange.store import JsonObject
from profiles.models import (
    DEFAULT_AGENT,
    ROTATE_AFTER_DAYS,
    Credential,
    CredentialState,
    Profile,
    ProfileState,
)
from profiles.providers import Kind
from profiles.references import profile_id_for
from profiles.services.providers import shape_fault

MAIN_FIELD = {Kind.API_KEY: "key", Kind.TOKEN: "token", Kind.OAUTH: "access"}
MAXIMUM_SECRET = 65_536
MAXIMUM_MS = 8_640_000_000_000_000
RULE_FIELDS = (
    "description",
    "minimum_trust",
    "allowed_channels",
    "allowed_gateways",
    "warn_after_seconds",
    "rotate_after_days",
)


class ProfileExists(Conflict):
    """The agent has a profile of this name."""

    slug, title = "profile_exists", "Profile exists"
    default_detail = "A profile of this name exists here; store a new version of it instead."


@dataclass(frozen=True, slots=True)
class SecretMaterial:
    """What one credential version holds: secret fields by upstream name (key, token, access, refresh, …)."""

    kind: Kind
    secrets: Mapping[str, SecretText] = field(repr=False)
    expires_at_ms: int | None = None
    sealed_extras: SecretText | None = None
    reference: JsonObject | None = None

    @property
    def main(self) -> SecretText:
        """Return the value that is handed out; empty when the credential is a reference or lacks it."""
        return self.secrets.get(MAIN_FIELD[self.kind], SecretText(""))


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """Where and by whom a profile may be used, and what people say about it."""

    description: str = ""
    minimum_trust: int = 0
    allowed_channels: list[str] | None = None
    allowed_gateways: list[str] | None = None
    warn_after_seconds: int | None = None
    rotate_after_days: int = ROTATE_AFTER_DAYS


def create_profile(
    caller: Caller,
    *,
    provider: str,
    name: str,
    material: SecretMaterial,
    agent: str = DEFAULT_AGENT,
    rules: ProfileRules | None = None,
    origin: str = "api",
    now: datetime,
) -> Profile:
    """Create a profile with its first credential version; raises ``ValidationFailed`` or ``ProfileExists``."""
    key = profile_id_for(provider, name)
    require_shape(caller, provider, material)
    with transaction.atomic():
        if find_profile(caller, key=key, agent=agent) is not None:
            raise ProfileExists
        profile = add_profile(
            caller, provider=provider.strip().lower(), key=key, kind=material.kind, agent=agent, origin=origin, now=now
        )
        if rules is not None:
            _apply_rules(profile, rules)
        store_version(caller, profile=profile, material=material, origin=origin, now=now)
    return profile


def add_profile(
    caller: Caller, *, provider: str, key: str, kind: Kind, agent: str, origin: str, now: datetime
) -> Profile:
    """Insert an empty profile at the end of the agent's insertion order, with its audit event."""
    siblings = Profile.objects.for_environment(caller).filter(agent=agent)
    last = siblings.aggregate(last=Max("position"))["last"]
    profile = Profile(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        agent=agent,
        provider=provider,
        key=key,
        kind=kind,
        origin=origin,
        position=0 if last is None else last + 1,
        created_at=now,
    )
    profile.save(force_insert=True)
    detail = {"provider": provider, "name": key, "agent": agent}
    record(caller, "profile.created", subject_id=profile.id, detail=detail, now=now)
    return profile


def store_version(
    caller: Caller, *, profile: Profile, material: SecretMaterial, origin: str, now: datetime
) -> Credential:
    """Seal a new version as the current one; the version before it is retired in the same transaction."""
    with transaction.atomic():
        versions = Credential.objects.for_environment(caller).filter(profile=profile)
        latest = versions.select_for_update().order_by("-version").first()
        versions.filter(state=CredentialState.CURRENT).update(state=CredentialState.RETIRED, retired_at=now)
        credential = Credential(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            profile=profile,
            version=latest.version + 1 if latest else 1,
            kind=material.kind,
            fingerprint=fingerprint_of(material.main),
            last_four=last_four(material.main),
            has_refresh=bool(material.secrets.get("refresh")),
            has_reference=material.reference is not None,
            expires_at_ms=material.expires_at_ms,
            origin=origin,
            created_by=caller.principal_id,
            created_at=now,
        )
        credential.sealed = seal_text(caller, credential.place(), as_text(material), now=now)
        credential.save(force_insert=True)
        profile.kind = material.kind
        profile.save(update_fields=["kind"])
        detail = {
            "profile_id": profile.id,
            "version": credential.version,
            "kind": str(material.kind),
            "fingerprint": credential.fingerprint,
            "origin": origin,
            "expires_at": material.expires_at_ms,
        }
        record(caller, "credential.stored", subject_id=credential.id, detail=detail, now=now)
    return credential


def update_profile(caller: Caller, *, profile: Profile, changes: Mapping[str, object], now: datetime) -> Profile:
    """Change the rules and the description of a profile; ``changes`` holds only known fields."""
    with transaction.atomic():
        for name, value in changes.items():
            setattr(profile, name, value)
        profile.save(update_fields=list(changes))
        record(caller, "profile.updated", subject_id=profile.id, detail={"changed": sorted(changes)}, now=now)
    return profile


def retire_profile(caller: Caller, *, profile: Profile, reason: str, now: datetime) -> Profile:
    """Take a profile out of resolution; its versions stay readable to nobody but the export."""
    with transaction.atomic():
        profile.state = ProfileState.RETIRED
        profile.save(update_fields=["state"])
        detail = {"provider": profile.provider, "name": profile.key, "agent": profile.agent, "reason": reason}
        record(caller, "profile.retired", subject_id=profile.id, detail=detail, now=now)
    return profile


def delete_profile(caller: Caller, *, profile: Profile, now: datetime) -> None:
    """Delete a profile with every version's ciphertext."""
    with transaction.atomic():
        detail = {"provider": profile.provider, "name": profile.key, "agent": profile.agent}
        record(caller, "profile.deleted", subject_id=profile.id, detail=detail, now=now)
        profile.delete()


def delete_version(caller: Caller, *, credential: Credential, now: datetime) -> None:
    """Erase the ciphertext of one version; its number and fingerprint stay."""
    with transaction.atomic():
        credential.state, credential.sealed = CredentialState.DELETED, ""
        credential.save(update_fields=["state", "sealed"])
        detail = {"profile_id": credential.profile_id, "version": credential.version}
        record(caller, "credential.deleted", subject_id=credential.id, detail=detail, now=now)


def find_profile(caller: Caller, *, key: str, agent: str) -> Profile | None:
    """Return the profile of this name, if the agent has it."""
    return Profile.objects.for_environment(caller).filter(key=key, agent=agent).first()


def get_profile(caller: Caller, profile_id: str) -> Profile:
    """Return a profile of the caller's environment; raises ``NotFound``."""
    profile = Profile.objects.for_environment(caller).filter(id=profile_id).first()
    if profile is None:
        raise NotFound
    return profile


def get_credential(caller: Caller, profile_id: str, credential_id: str) -> Credential:
    """Return a version of a profile of the caller's environment; raises ``NotFound``."""
    credentials = Credential.objects.for_environment(caller).filter(profile_id=profile_id)
    credential = credentials.filter(id=credential_id).first()
    if credential is None:
        raise NotFound
    return credential


def require_shape(caller: Caller, provider: str, material: SecretMaterial) -> None:
    """Raise ``ValidationFailed`` when a pasted value cannot be what it is meant to be; never echoes the value."""
    value = material.main.reveal()
    if len(value) > MAXIMUM_SECRET:
        raise ValidationFailed(errors={"value": [f"At most {MAXIMUM_SECRET} characters."]})
    finding = shape_fault(caller, provider=provider, kind=material.kind, value=value)
    if finding is not None:
        raise ValidationFailed(errors={"value": [finding.message]}, extra={"reason": str(finding.code)})


def as_text(material: SecretMaterial) -> SecretText:
    """Return everything secret of a version as one JSON text to seal."""
    document: dict[str, object] = {
        "secrets": {name: secret.reveal() for name, secret in material.secrets.items()},
        "extras": material.sealed_extras.reveal() if material.sealed_extras else "",
        "reference": dict(material.reference) if material.reference else None,
    }
    return SecretText(json.dumps(document))


def open_version(credential: Credential) -> SecretMaterial:
    """Return what is sealed in a version; raises ``SealBroken`` or what else the vault refuses."""
    document = json.loads(open_text(credential.place(), credential.sealed).reveal())
    return SecretMaterial(
        kind=Kind(credential.kind),
        secrets={name: SecretText(text) for name, text in document["secrets"].items()},
        expires_at_ms=credential.expires_at_ms,
        sealed_extras=SecretText(document["extras"]) if document["extras"] else None,
        reference=document["reference"],
    )


def fingerprint_of(secret: SecretText) -> str:
    """Return 12 hex characters to recognise a secret by; empty for a blank one, which counts as missing."""
    return keyed_hash(pepper(), secret)[:12] if secret.reveal().strip() else ""


def last_four(secret: SecretText) -> str:
    """Return the last four characters of a secret long enough that they give nothing away."""
    return secret.reveal()[-4:] if len(secret) >= 20 else ""


def _apply_rules(profile: Profile, rules: ProfileRules) -> None:
    profile.description, profile.minimum_trust = rules.description, rules.minimum_trust
    profile.allowed_channels, profile.allowed_gateways = rules.allowed_channels, rules.allowed_gateways
    profile.warn_after_seconds, profile.rotate_after_days = rules.warn_after_seconds, rules.rotate_after_days
    profile.save(update_fields=list(RULE_FIELDS))
