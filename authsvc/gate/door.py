"""The quick door: the hottest endpoints answered before Django's handler, by the very functions behind it.

Sessions, messages, CSRF, static files and the router are nothing to a gateway that asks with a bearer, and cost more
than the answer. What remains is the same middleware in the same order, and the same view; a test sends the same
requests through both doors and compares status, header fields and body. Anything unusual goes to the other door
untouched: another path, a host that is not ours, a body this one does not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.cache import patch_vary_headers

from authsvc.audit.figures import keep_figures_if_due
from authsvc.gate.errors import answered
from authsvc.gate.forward_auth import forward_auth_endpoint
from authsvc.gate.grants import token_endpoint
from authsvc.gate.introspect import introspection_endpoint
from authsvc.gate.plain import CROSS_ORIGIN, Answer, answer_plain, answer_token, answer_told
from authsvc.gate.quick_api import answer_post
from authsvc.gate.told import find_told, key_of, remember_told
from authsvc.web.body_limit import Application, Environ, StartResponse
from authsvc.web.database import look_after_connection
from authsvc.web.headers import complete
from authsvc.web.limit_middleware import LimitMiddleware
from authsvc.web.methods import View, require_post
from authsvc.web.quick import Find, Found, plain_form
from authsvc.web.request_id import RequestIdMiddleware, RequestScope

ISSUER = r"/t/(?P<tenant>[-a-zA-Z0-9_]+)/(?P<environment>[-a-zA-Z0-9_]+)"
TOKEN: View = require_post(token_endpoint)
PLAIN_VIEWS: Mapping[re.Pattern[str], View] = {
    re.compile(rf"{ISSUER}/oauth/introspect"): require_post(introspection_endpoint),
    re.compile(rf"{ISSUER}/oauth/token"): TOKEN,
    re.compile(rf"{ISSUER}/gateways/(?P<gateway>[a-zA-Z0-9_:.@-]{{1,128}})/forward-auth"): forward_auth_endpoint,
}
MAXIMUM_FORM = 32_768
METHODS = frozenset({"GET", "HEAD", "POST"})


@dataclass(frozen=True, slots=True)
class Named:
    """A plain view of Django's, what its address names, and what a good answer of it is remembered by."""

    view: View
    names: dict[str, str]
    key: bytes | None = None


class QuickDoor:
    """WSGI wrapper around Django's application; ``api_views`` maps patterns of whole paths to readers of requests."""

    def __init__(self, application: Application, api_views: Mapping[str, Find]) -> None:
        self._application = application
        self._api_views = [(re.compile(pattern), find) for pattern, find in api_views.items()]
        self._limits = LimitMiddleware(self._answer)
        cross_origin = cast("Callable[[HttpRequest], HttpResponse]", CorsMiddleware(self._limits))
        self._chain = RequestIdMiddleware(self._limits)
        self._chain_for_browsers = RequestIdMiddleware(cross_origin)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        look_after_connection()
        keep_figures_if_due()
        with RequestScope(environ) as scope:
            found = self.find_view(environ)
            answer = _answered_plainly(environ, found, scope.request_id)
        if answer is not None:
            look_after_connection()
            start_response(answer[0], answer[1])
            return [answer[2]]
        if found is None:
            return self._application(environ, start_response)
        return self._answer_in_chain(environ, start_response, found)

    def _answer_in_chain(self, environ: Environ, start_response: StartResponse, found: Named | Found) -> list[bytes]:
        """Answer with Django's objects and the middleware that counts, as plain views and browsers need them."""
        request = WSGIRequest(environ)
        request.quick = found  # type: ignore[attr-defined]  # Django's request is open for attributes
        chain = self._chain_for_browsers if "HTTP_ORIGIN" in environ else self._chain
        try:
            response = chain(request)
        finally:
            look_after_connection()
            request.close()
        body = response.content
        if not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(body))
        if "HTTP_ORIGIN" not in environ and CROSS_ORIGIN.match(request.path_info):
            patch_vary_headers(response, ("origin",))  # all that the middleware does without an origin
        start_response(f"{response.status_code} {response.reason_phrase}", complete(list(response.items())))
        return [body]

    def find_view(self, environ: Environ) -> Named | Found | None:
        """Return the view of an ordinary request to a hot path, or ``None``."""
        path = str(environ.get("PATH_INFO", ""))
        if environ.get("SCRIPT_NAME") or environ.get("REQUEST_METHOD") not in METHODS:
            return None
        if path.startswith("/api/v1/"):
            return self._find_api_view(environ, path)
        for pattern, plain in PLAIN_VIEWS.items() if path.startswith("/t/") else ():
            match = pattern.fullmatch(path)
            if match is not None and is_our_host(environ):
                return Named(plain, match.groupdict(), None if plain is TOKEN else key_of(environ))
        return None

    def _find_api_view(self, environ: Environ, path: str) -> Found | None:
        for pattern, find in self._api_views:
            match = pattern.fullmatch(path)
            if match is not None:
                return find(environ, match.groupdict()) if is_our_host(environ) else None
        return None

    def _answer(self, request: HttpRequest) -> HttpResponse:
        found: Named | Found = request.quick  # type: ignore[attr-defined]
        names = found.names if isinstance(found, Named) else {}
        refusal = self._limits.process_view(request, found, (), names)  # type: ignore[arg-type]  # reads ``cls`` off it
        if refusal is not None:
            return refusal
        if isinstance(found, Named):
            response = cast("HttpResponse", answered(request, found.view, names))
            if found.key is not None:
                remember_told(found.key, response)
            return response
        return cast("HttpResponse", answered(request, answer_post, {"view": found}))


def _answered_plainly(environ: Environ, found: Named | Found | None, request_id: str) -> Answer | None:
    """Return the answer where it needs none of Django's objects, else ``None``."""
    if isinstance(found, Found) and "HTTP_ORIGIN" not in environ:
        return answer_plain(environ, found, request_id)
    if isinstance(found, Named) and found.view is TOKEN and "HTTP_ORIGIN" not in environ:
        form = plain_form(environ, maximum_bytes=MAXIMUM_FORM)
        return None if form is None else answer_token(environ, found.names, form, request_id)
    if not isinstance(found, Named) or found.key is None:
        return None
    try:
        told = find_told(found.key, now=datetime.now(UTC))
    except (DatabaseError, InterfaceError):
        return None
    return None if told is None else answer_told(environ, told, request_id)


def is_our_host(environ: Mapping[str, Any]) -> bool:
    """True for a host Django would accept."""
    return _is_allowed(str(environ.get("HTTP_HOST", "")), tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=256)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
