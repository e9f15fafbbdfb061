"""Methods of plain views: anything else is 405 with ``Allow``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from authsvc.web.problems import MethodNotAllowed

View = Callable[..., HttpResponseBase]
SAFE = frozenset({"GET", "HEAD"})


def require_method(*methods: str) -> Callable[[View], View]:
    """Return a decorator that answers only these methods."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: str, **names: str) -> HttpResponseBase:
            if request.method not in methods:
                raise MethodNotAllowed(headers={"Allow": ", ".join(methods)})
            return view(request, *args, **names)

        # A view that only reads has nothing to forge: other methods get 405 as a problem, not the CSRF page.
        if SAFE.issuperset(methods):
            guarded.csrf_exempt = True  # type: ignore[attr-defined]  # Django reads it off the view
        return guarded

    return decorate


require_post = require_method("POST")
require_read = require_method("GET", "HEAD")
