"""Every address of the admin, from the site's own resolver, filled with the ids of somebody's rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.contrib.admin.utils import quote as admin_quote
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver

from authsvc.audit.models import AuditEvent
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.models import Environment, Tenant

DOORS = {"secret": "x", "uidb64": "x", "token": "x"}
UNCRAWLED = {"logout"}  # it would sign the crawler out
TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]+"')
PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


@dataclass(frozen=True)
class Address:
    """One address of the admin; ``holds_id`` when a row's id stands in it."""

    name: str
    url: str
    holds_id: bool


def pages() -> dict[type[Model], HouseAdmin]:
    """Return the registered models with their pages."""
    return {model: page for model, page in admin.site._registry.items() if isinstance(page, HouseAdmin)}


def rows_of(model: type[Model], tenant: Tenant) -> Any:
    """Return a tenant's rows of a registered model."""
    rows: Any = model._default_manager.all()
    if model is Tenant:
        return rows.filter(pk=tenant.pk)
    if model._meta.model_name == "operator":
        return rows.filter(memberships__tenant=tenant)
    return rows.filter(tenant_id=tenant.pk)


def example_ids(tenant: Tenant) -> dict[type[Model], str]:
    """Return one id per registered model that has a row of this tenant."""
    found = {model: rows_of(model, tenant).order_by("-pk").first() for model in pages()}
    return {model: str(row.pk) for model, row in found.items() if row is not None}


def traces_of(tenant: Tenant) -> set[bytes]:
    """Return what only this tenant's rows hold: its name, its ids and its environments' ids."""
    ids = {str(pk) for model in pages() if model is not AuditEvent for pk in rows_of(model, tenant).values_list("pk")}
    ids |= set(Environment.objects.for_tenant(tenant.pk).values_list("pk", flat=True))
    long = {text for text in ids if len(text) > 8}
    return {text.encode() for text in long | set(map(admin_quote, long))} | {tenant.slug.encode(), tenant.pk.encode()}


def missing_like(row_id: str) -> str:
    """Return an id of the same shape that no row has."""
    if row_id.isdigit():
        return str(10**8 + int(row_id))
    return row_id[:4] + "".join("zyxwvutsrq"[ord(letter) % 10] for letter in row_id[4:])


def addresses(model: type[Model], row_id: str) -> Iterator[Address]:
    """Yield every address of one model's pages, filled with this id."""
    page = pages()[model]
    prefix = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    for pattern in page.urls:
        for action in action_names(page):
            url, holds_id = _filled(pattern, {"object_id": quote(row_id, safe=""), "name": action})
            yield Address(str(pattern.name), prefix + url, holds_id)
            if "<slug:name>" not in str(pattern.pattern):
                break


def action_names(page: HouseAdmin) -> list[str]:
    """Return the names of a page's buttons, and one that no page has."""
    return [*(action.name for action in page.service_actions), "no-such-action"]


def site_addresses() -> Iterator[Address]:
    """Yield every address of the site that belongs to no model."""
    models = {str(page.opts.model_name) for page in pages().values()}
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLResolver):
            assert str(pattern.pattern).rstrip("/").rpartition("/")[2] in models
        elif pattern.name not in UNCRAWLED:
            url, _ = _filled(pattern, {"app_label": "authsvc", "url": "r/8/x/", "object_id": "x", "name": "x", **DOORS})
            yield Address(str(pattern.name), f"/admin/{url}", False)


def _filled(pattern: URLPattern, values: dict[str, str]) -> tuple[str, bool]:
    """Return a pattern's address; an unknown parameter fails, so that no new page escapes the crawler."""
    text = str(pattern.pattern)
    if text.startswith("^"):
        text = re.sub(r"\(\?P<(\w+)>[^)]*\)+", r"<\1>", text).strip("^$")
    holds_id = "object_id" in text
    return PARAMETER.sub(lambda match: values[match["name"]], text), holds_id


def answer(client: Client, method: str, url: str, probe: str, data: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """Return status, target and body of an answer, without the id that was asked for and without form tokens."""
    response = getattr(client, method)(url, data or {})
    body = b"" if response.streaming else TOKEN.sub(b"", response.content)
    location = response.headers.get("Location", "")
    cookies = "".join(str(morsel.OutputString()) for morsel in response.cookies.values() if "csrf" not in morsel.key)
    return (response.status_code, _without(location, probe), _without(body.decode(), probe), _without(cookies, probe))


def _without(text: str, probe: str) -> str:
    forms = {probe, quote(probe, safe=""), quote(probe), admin_quote(probe)} if not probe.isdigit() else {f"/{probe}/"}
    for form in forms:
        text = text.replace(form, "")
    return text
