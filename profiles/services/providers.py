"""The provider catalogue as an environment sees it: what is built in, its own additions, and where logins refresh."""

from __future__ import annotations

import re
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
from profiles.providers import (
    CATALOGUE,
    Billing,
    Kind,
    Provider,
    Shape,
    ShapeFinding,
    billing_of,
    check_shape,
    env_name_for,
    env_names_of,
    has_prompt_caching,
)

ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,127}\Z")
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']{1,490}\Z")
PROVIDER_NAME = re.compile(r"[a-z0-9_:.@-]{1,64}\Z")
FIELDS = (
    "label",
    "env_names",
    "prefixes",
    "minimum_length",
    "billing",
    "dashboard_url",
    "endpoint_url",
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
    """Add a provider or replace its own entry here; what is not given is empty; raises ``ValidationFailed``."""
    errors = faults_of(slug, fields)
    if errors:
        raise ValidationFailed(errors=errors)
    given = {name: getattr(ProviderEntry(), name) for name in FIELDS} | dict(fields)
    here = {"tenant_id": caller.tenant_id, "environment_id": caller.environment_id, "created_at": now}
    with transaction.atomic():
        entry, _ = ProviderEntry.objects.for_environment(caller).update_or_create(
            slug=slug, defaults=given, create_defaults={**here, **given}
        )
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


def faults_of(slug: str, fields: Mapping[str, object]) -> dict[str, list[str]]:
    """Return what is wrong by field: a name nobody could ask for, an unsafe address, a variable no shell would take."""
    given = {name: str(fields[name]) for name in ("token_url", "probe_url") if fields.get(name)}
    faults = {name: url_fault(url, allows_local=not settings.PRODUCTION) for name, url in given.items()}
    if not PROVIDER_NAME.match(slug):
        faults["provider"] = "Use up to 64 letters, digits and _ : . @ -"
    if not all(ENV_NAME.match(str(name)) for name in _listed(fields.get("env_names"))):
        faults["env_names"] = "Use capital letters, digits and _, not beginning with a digit."
    shown = {name: str(fields[name]) for name in ("dashboard_url", "endpoint_url") if fields.get(name)}
    faults |= {name: "Give a web address." for name, url in shown.items() if not WEB_ADDRESS.match(url)}
    return {name: [fault] for name, fault in faults.items() if fault}


def env_name_of(caller: Caller, *, provider: str, kind: Kind) -> str:
    """Return the variable that carries a credential of this kind to a gateway."""
    entry = find_entry(caller, slug=provider)
    return str(entry.env_names[0]) if entry is not None and entry.env_names else env_name_for(provider, kind)


def all_env_names(caller: Caller, *, provider: str) -> list[str]:
    """Return the variables a client may look into when nothing is stored: the environment's own names, else ours."""
    entry = find_entry(caller, slug=provider)
    return list(entry.env_names) if entry is not None and entry.env_names else list(env_names_of(provider))


def endpoint_of(caller: Caller, *, provider: str) -> str:
    """Return where programs call a provider: as the environment says, else as built in; empty when nobody knows."""
    entry, known = find_entry(caller, slug=provider), CATALOGUE.get(provider)
    return (entry.endpoint_url if entry is not None else "") or (known.endpoint_url if known is not None else "")


def shape_fault(caller: Caller, *, provider: str, kind: Kind, value: str) -> ShapeFinding | None:
    """Return why a value cannot be what it is meant to be: by the environment's own entry, else by what is built in."""
    return check_shape(provider, kind, value, own_shape_of(find_entry(caller, slug=provider.strip().lower())))


def own_billing(caller: Caller, *, provider: str) -> Billing | None:
    """Return how the environment says a provider's use is paid; ``None`` when it says nothing."""
    entry = find_entry(caller, slug=provider)
    return Billing(entry.billing) if entry is not None and entry.billing else None


def own_shape_of(entry: ProviderEntry | None) -> Shape | None:
    """Return what an entry says of API keys; ``None`` when it says nothing."""
    if entry is None or not (entry.prefixes or entry.minimum_length > 1):
        return None
    return Shape(tuple(entry.prefixes), entry.minimum_length)


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _document(slug: str, known: Provider | None, entry: ProviderEntry | None) -> dict[str, object]:
    kinds = sorted(known.kinds if known else frozenset(Kind))
    document: dict[str, object] = {
        "provider": slug,
        "label": known.label if known else slug,
        "env_names": list(known.env_names) if known else [env_name_for(slug, Kind.API_KEY)],
        "kinds": [_kind_document(slug, kind, known, entry) for kind in kinds],
        "dashboard_url": known.dashboard_url if known else "",
        "endpoint_url": known.endpoint_url if known else "",
        "built_in": known is not None,
        "own_entry": None,
    }
    if entry is None:
        return document
    own = {name: getattr(entry, name) for name in FIELDS}
    shown = {name: own[name] for name in ("label", "env_names", "dashboard_url", "endpoint_url") if own[name]}
    return {**document, **shown, "own_entry": own}


def _kind_document(slug: str, kind: Kind, known: Provider | None, entry: ProviderEntry | None) -> dict[str, object]:
    own_shape = own_shape_of(entry) if kind is Kind.API_KEY else None
    shape = own_shape or (known.shapes.get(kind) if known else None) or Shape()
    billing = Billing(entry.billing) if entry is not None and entry.billing else billing_of(slug, kind)
    return {
        "kind": kind.value,
        "billing": billing.value,
        "prompt_caching": has_prompt_caching(kind),
        "prefixes": list(shape.prefixes),
        "minimum_length": shape.minimum_length,
    }
