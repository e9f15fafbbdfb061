"""Whom a refused bearer or client counts against: the principal it names, and the network it came from.

An opaque proof names its key, and so a tenant; of a token that is not accepted nothing is believed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.http import HttpRequest

from authsvc.audit.failures import note_failed_proof
from authsvc.tenants.models import Environment
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.opaque import find_named_key
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of


def note_failed_bearer(request: HttpRequest, raw: str, *, place: Environment | None = None, now: datetime) -> None:
    """Count a refused bearer; ``place`` is the environment it was shown to, where the address says which."""
    key = find_named_key(raw)
    place = place or (key.environment if key else None)
    is_here = key is not None and place is not None and key.environment_id == place.id
    principal_id = key.principal_id if key is not None and is_here else ""
    note_failure(request, place, principal_id=principal_id, proof="bearer", now=now)


def note_failure(
    request: HttpRequest, place: Environment | None, *, principal_id: str, proof: str, now: datetime
) -> None:
    """Count a failed proof at an environment, or at nobody's in particular."""
    address, watcher = client_address(request), system_caller(request_id=request_id_of(request))
    caller = replace(environment_caller(watcher, place) if place else watcher, address=address)
    note_failed_proof(caller, principal_id=principal_id, address=address, proof=proof, now=now)
