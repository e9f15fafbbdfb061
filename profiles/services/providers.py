"""The provider catalogue as an environment sees it: what is built in, its own additions, and where logins refresh."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction

from authsvc.audit.changes import Remembered
from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import NotFound, ValidationFailed
from profiles.models import ProviderEntry
from profiles.outbound import url_fault
from profiles.providers import CATALOGUE, Kind, Provider, billing_of, env_name_for, has_prompt_caching

FIELDS = (
    "label",
    "env_names",
    "prefixes",
    "minimum_length",
    "billing",
    "dashboard_url",
    "token_url",
    "token_client_id",
    "token_body",
    "probe_url",
    "probe_style",
)


def provider_documents(caller: Caller) -> list[dict[str, object]]:
    """Return every known provider by slug; an environment's own entry goes over the built-in one."""
    entries = {entry.slug: entry for entry in ProviderEntry.objects.for_environment(caller)}
    return [_document(slug, CATALOGUE.get(slug), entries.get(slug)) for slug in sorted({*CATALOGUE, *entries})]


def provider_document(caller: Caller, *, slug: str) -> dict[str, object]:
    """Return one provider; raises ``NotFound`` for one that is neither built in nor added here."""
    entry = find_entry(caller, slug=slug)
    if entry is None and slug not in CATALOGUE:
        raise NotFound
    return _document(slug, CATALOGUE.get(slug), entry)


_KNOWN: Remembered[tuple[str, str], ProviderEntry | None] = Remembered(4096)
_ENTRY = Prepared(
    lambda tenant_id, environment_id, slug: (
        ProviderEntry.objects.for_tenant(tenant_id).filter(environment_id=environment_id, slug=slug).order_by()
    )
)


def find_entry(caller: Caller, *, slug: str) -> ProviderEntry | None:
    """Return the environment's own entry for a provider, if it has one: looked up once per change, for reading."""
    where = {"tenant_id": caller.tenant_id, "environment_id": caller.environment_id, "slug": slug}
    return _KNOWN.known((caller.environment_id, slug), caller.tenant_id, lambda: _ENTRY.first(**where))


def set_provider(caller: Caller, *, slug: str, fields: Mapping[str, object], now: datetime) -> ProviderEntry:
    """Add a provider or replace the environment's own entry; raises ``ValidationFailed`` for an unsafe address."""
    given = {name: str(fields[name]) for name in ("token_url", "probe_url") if fields.get(name)}
    faults = {name: url_fault(url, allows_local=not settings.PRODUCTION) for name, url in given.items()}
    errors = {name: [fault] for name, fault in faults.items() if fault}
    if errors:
        raise ValidationFailed(errors=errors)
    with transaction.atomic():
        ProviderEntry.objects.for_environment(caller).filter(slug=slug).delete()
        entry = ProviderEntry(
            tenant_id=caller.tenant_id, environment_id=caller.environment_id, slug=slug, created_at=now, **fields
        )
        entry.save(force_insert=True)
        detail = {"provider": slug, "changed": sorted(fields)}
        record(caller, "provider.updated", subject_id=slug, detail=detail, now=now)
    return entry


def delete_provider(caller: Caller, *, slug: str, now: datetime) -> None:
    """Remove the environment's own entry; raises ``NotFound`` when it has none."""
    with transaction.atomic():
        count, _ = ProviderEntry.objects.for_environment(caller).filter(slug=slug).delete()
        if not count:
            raise NotFound
        record(caller, "provider.deleted", subject_id=slug, detail={"provider": slug}, now=now)


def env_name_of(caller: Caller, *, provider: str, kind: Kind) -> str:
    """Return the variable that carries a credential of this kind to a gateway."""
    entry = find_entry(caller, slug=provider)
    return str(entry.env_names[0]) if entry is not None and entry.env_names else env_name_for(provider, kind)


def _document(slug: str, known: Provider | None, entry: ProviderEntry | None) -> dict[str, object]:
    kinds = sorted(known.kinds if known else frozenset(Kind))
    document: dict[str, object] = {
        "provider": slug,
        "label": known.label if known else slug,
        "env_names": list(known.env_names) if known else [env_name_for(slug, Kind.API_KEY)],
        "kinds": [
            {
                "kind": kind.value,
                "billing": billing_of(slug, kind).value,
                "prompt_caching": has_prompt_caching(kind),
                "prefixes": list(known.shapes[kind].prefixes) if known and kind in known.shapes else [],
                "minimum_length": known.shapes[kind].minimum_length if known and kind in known.shapes else 1,
            }
            for kind in kinds
        ],
        "dashboard_url": known.dashboard_url if known else "",
        "built_in": known is not None,
        "own_entry": None,
    }
    if entry is None:
        return document
    own = {name: getattr(entry, name) for name in FIELDS}
    shown = {name: own[name] for name in ("label", "env_names", "dashboard_url") if own[name]}
    return {**document, **shown, "own_entry": own}
