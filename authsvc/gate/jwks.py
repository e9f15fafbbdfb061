"""``{issuer}/.well-known/jwks.json`` (RFC 7517) and ``{issuer}/jwks.pem``: the public keys of one environment.

Anybody may ask. A gateway that sends its own token is noted as having fetched these keys; a token that is not accepted
changes nothing in the answer. Without the database a process repeats what it answered within the last hour, so that
gateways can go on verifying; a tenant that was closed is forgotten with the next answer.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags

from authsvc.audit.changes import register_memory
from authsvc.gate.authentication import admit, bearer_of
from authsvc.tenants.models import Environment
from authsvc.tenants.services import get_environment
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.jwt import public_pem
from authsvc.tokens.keys import KEY_SET_SECONDS, published_keys
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.web.client_address import client_address
from authsvc.web.problems import NotFound
from authsvc.web.request_id import request_id_of
from rbac.services.gateways import note_key_set_fetched

KEPT_SECONDS, MAXIMUM_KEPT = 3600, 1024


def jwks_document(place: Environment) -> dict[str, list[dict[str, str]]]:
    """Return ``{"keys": [...]}``: next, active and retiring keys, public members only."""
    return {"keys": [key.public_jwk for key in published_keys(place)]}


def jwks_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the key set with an ETag and a short life."""
    return _answered(request, (tenant, environment), "application/jwk-set+json", _as_document)


def pem_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the public keys as PEM, one after the other; first what signs now, for readers that take one."""
    return _answered(request, (tenant, environment), "application/x-pem-file", _as_pem)


def _as_document(keys: Sequence[SigningKey]) -> str:
    return json.dumps({"keys": [key.public_jwk for key in keys]}, sort_keys=True)


def _as_pem(keys: Sequence[SigningKey]) -> str:
    signing_first = sorted(keys, key=lambda key: key.state != SigningKeyState.ACTIVE)
    return "".join(public_pem(key.public_jwk) for key in signing_first)


class _LastAnswers:
    """What this process answered, by issuer and form; the one asked for longest ago makes room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()
        register_memory(self)

    def keep(self, key: tuple[str, ...], text: str) -> None:
        """Remember an answer."""
        with self._lock:
            self._kept[key] = (time.monotonic(), text)
            self._kept.move_to_end(key)
            while len(self._kept) > MAXIMUM_KEPT:
                self._kept.popitem(last=False)

    def find(self, key: tuple[str, ...]) -> str | None:
        """Return an answer of the last hour."""
        kept_at, text = self._kept.get(key, (0.0, ""))
        return text if text and time.monotonic() - kept_at < KEPT_SECONDS else None

    def drop(self, key: tuple[str, ...]) -> None:
        """Forget an answer that is right no longer."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()


_LAST = _LastAnswers()


def _answered(
    request: HttpRequest, issuer: tuple[str, str], content_type: str, render: Callable[[Sequence[SigningKey]], str]
) -> HttpResponse:
    key = (*issuer, content_type)
    try:
        place = get_environment(tenant=issuer[0], environment=issuer[1])
        keys = published_keys(place)
        text = render(keys)
        _LAST.keep(key, text)
        _note_fetch(request, place, keys)
    except NotFound:
        _LAST.drop(key)
        raise
    except (DatabaseError, InterfaceError):
        known = _LAST.find(key)
        if known is None:
            raise
        text = known
    return _cacheable(request, text, content_type)


def _note_fetch(request: HttpRequest, place: Environment, keys: Sequence[SigningKey]) -> None:
    raw = bearer_of(request.headers.get("Authorization", "")) or ""
    if not raw.startswith(f"{TokenType.GATEWAY_TOKEN}_"):
        return
    now = datetime.now(UTC)
    with suppress(TokenRefused):
        address, request_id = client_address(request), request_id_of(request)
        caller = admit(raw, audience=API_AUDIENCE, now=now, address=address, request_id=request_id)
        if caller.environment_id == place.id:
            note_key_set_fetched(caller, kids=[key.kid for key in keys], now=now)


def _cacheable(request: HttpRequest, body: str, content_type: str) -> HttpResponse:
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={KEY_SET_SECONDS}",
        "Access-Control-Allow-Origin": "*",
    }
    known = [text.removeprefix("W/") for text in parse_etags(request.headers.get("If-None-Match", ""))]
    if etag in known or "*" in known:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)
