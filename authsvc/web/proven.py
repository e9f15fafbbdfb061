"""Whose proof a request carried, once it was accepted: for what is decided about the answer after the view."""

from __future__ import annotations

from django.http import HttpRequest

PROVEN = "proven_tenant_id"


def note_proven(request: HttpRequest, tenant_id: str) -> None:
    """Remember on the request which tenant its proof belongs to."""
    setattr(request, PROVEN, tenant_id)


def proven_tenant_id(request: HttpRequest) -> str:
    """Return the id of the tenant the request's proof belongs to, or ``""`` before one was accepted."""
    return str(getattr(request, PROVEN, ""))
