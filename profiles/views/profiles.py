"""Profiles and their versions over the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters
from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.problems import ValidationFailed
from authsvc.web.secret_text import SecretText
from profiles.models import Credential, CredentialState, Profile
from profiles.providers import Kind
from profiles.serializers import (
    CURRENT_VERSIONS,
    CredentialOutput,
    ImportInput,
    ImportOutput,
    ProfileInput,
    ProfileOutput,
    ReasonInput,
    RuleFields,
    SecretFields,
)
from profiles.services.importing import Unlock, import_store, read_store
from profiles.services.store import (
    MAIN_FIELD,
    RULE_FIELDS,
    ProfileRules,
    SecretMaterial,
    create_profile,
    delete_profile,
    delete_version,
    get_credential,
    get_profile,
    require_shape,
    retire_profile,
    store_version,
    update_profile,
)
from profiles.write_ranges import require_write_address


class ProfileFilters(django_filters.FilterSet):
    """``?provider=``, ``?agent=``, ``?profile=``, ``?state=``."""

    profile = django_filters.CharFilter(field_name="key")

    class Meta:
        model = Profile
        fields = ["provider", "agent", "state"]


class ProfileList(ApiView):
    """The profiles of the caller's environment."""

    required_scopes = {"GET": "profiles:read", "POST": "profiles:write"}
    lists = True
    sensitive = True
    filterset_class = ProfileFilters

    @extend_schema(responses=ProfileOutput(many=True))
    def get(self, request: Request) -> Response:
        """List profiles, newest first; never their secrets."""
        current = Credential.objects.for_environment(self.caller).filter(state=CredentialState.CURRENT)
        versions = Prefetch("credentials", queryset=current, to_attr=CURRENT_VERSIONS)
        return self.page(Profile.objects.for_environment(self.caller).prefetch_related(versions), ProfileOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ProfileInput, responses={201: ProfileOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a profile with its first secret."""
        require_write_address(self.caller)
        fields = self.fields(ProfileInput)
        profile = create_profile(
            self.caller,
            provider=fields["provider"],
            name=fields["name"],
            agent=fields["agent"],
            material=material_of(fields, self.now),
            rules=ProfileRules(**{name: fields[name] for name in RULE_FIELDS if name in fields}),
            now=self.now,
        )
        return Response(ProfileOutput(profile, context={"now": self.now}).data, status=201)


class ProfileDetail(ApiView):
    """One profile."""

    required_scopes = {"GET": "profiles:read", "PATCH": "profiles:write", "DELETE": "profiles:write"}

    @extend_schema(responses=ProfileOutput)
    def get(self, request: Request, profile_id: str) -> Response:
        """Show a profile without its secret."""
        return Response(ProfileOutput(get_profile(self.caller, profile_id), context={"now": self.now}).data)

    @extend_schema(request=RuleFields, responses=ProfileOutput)
    def patch(self, request: Request, profile_id: str) -> Response:
        """Change where and by whom a profile may be used."""
        profile = get_profile(self.caller, profile_id)
        changed = update_profile(self.caller, profile=profile, changes=self.fields(RuleFields), now=self.now)
        return Response(ProfileOutput(changed, context={"now": self.now}).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, profile_id: str) -> Response:
        """Delete a profile with every version's ciphertext."""
        delete_profile(self.caller, profile=get_profile(self.caller, profile_id), now=self.now)
        return Response(status=204)


class ProfileRetirement(ApiView):
    """Take a profile out of resolution."""

    required_scopes = {"POST": "profiles:write"}

    @extend_schema(request=ReasonInput, responses=ProfileOutput)
    def post(self, request: Request, profile_id: str) -> Response:
        """Retire a profile."""
        profile = get_profile(self.caller, profile_id)
        reason = self.fields(ReasonInput)["reason"]
        retired = retire_profile(self.caller, profile=profile, reason=reason, now=self.now)
        return Response(ProfileOutput(retired, context={"now": self.now}).data)


class CredentialList(ApiView):
    """The versions of one profile."""

    required_scopes = {"GET": "credentials:read", "POST": "credentials:write"}
    lists = True
    sensitive = True

    @extend_schema(responses=CredentialOutput(many=True))
    def get(self, request: Request, profile_id: str) -> Response:
        """List versions, newest first; never their secrets."""
        profile = get_profile(self.caller, profile_id)
        return self.page(Credential.objects.for_environment(self.caller).filter(profile=profile), CredentialOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=SecretFields, responses={201: CredentialOutput})
    @idempotent
    def post(self, request: Request, profile_id: str) -> Response:
        """Store a new version; the profile keeps its id."""
        require_write_address(self.caller)
        profile = get_profile(self.caller, profile_id)
        material = material_of(self.fields(SecretFields), self.now)
        require_shape(self.caller, profile.provider, material)
        credential = store_version(self.caller, profile=profile, material=material, origin="api", now=self.now)
        return Response(CredentialOutput(credential, context={"now": self.now}).data, status=201)


class CredentialDetail(ApiView):
    """One version of a profile."""

    required_scopes = {"GET": "credentials:read", "DELETE": "credentials:write"}

    @extend_schema(responses=CredentialOutput)
    def get(self, request: Request, profile_id: str, credential_id: str) -> Response:
        """Show a version without its secret."""
        return Response(
            CredentialOutput(get_credential(self.caller, profile_id, credential_id), context={"now": self.now}).data
        )

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, profile_id: str, credential_id: str) -> Response:
        """Erase the ciphertext of a version."""
        credential = get_credential(self.caller, profile_id, credential_id)
        delete_version(self.caller, credential=credential, now=self.now)
        return Response(status=204)


class ProfileImport(ApiView):
    """Moving in with a foreign credential file."""

    required_scopes = {"POST": "profiles:write"}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ImportInput, responses=ImportOutput)
    @idempotent
    def post(self, request: Request) -> Response:
        """Take over a file: all of it or nothing; ``dry_run`` previews."""
        require_write_address(self.caller)
        fields = self.fields(ImportInput)
        unlock = Unlock(SecretText(fields["passphrase"]), fields["salt"])
        store = read_store(fields["format"], fields["content"], fields["state"], unlock)
        result = import_store(
            self.caller,
            store,
            format_name=fields["format"],
            agent=fields["agent"],
            dry_run=fields["dry_run"],
            now=self.now,
        )
        return Response(
            {
                "dry_run": result.dry_run,
                "entries": result.entries,
                "findings": result.findings,
                "orders": {provider: list(keys) for provider, keys in result.orders.items()},
            }
        )


def material_of(fields: Mapping[str, Any], now: datetime) -> SecretMaterial:
    """Return the secret material of a validated body; raises ``ValidationFailed`` for a past expiry."""
    kind = Kind(fields["kind"])
    secrets = {MAIN_FIELD[kind]: SecretText(fields["value"].strip())}
    if fields["refresh"]:
        if kind is not Kind.OAUTH:
            raise ValidationFailed(errors={"refresh": ["Only an OAuth credential has a refresh token."]})
        secrets["refresh"] = SecretText(fields["refresh"].strip())
    expires_at = fields["expires_at"]
    if expires_at is not None and expires_at <= now and not fields["refresh"]:
        raise ValidationFailed(errors={"expires_at": ["This is in the past."]})
    return SecretMaterial(kind, secrets, int(expires_at.timestamp() * 1000) if expires_at else None)
