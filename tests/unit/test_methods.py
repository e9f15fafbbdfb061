"""Methods of plain views: 405 with ``Allow``, and no CSRF page where there is nothing to forge."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.decorators.csrf import csrf_exempt

from authsvc.web.methods import require_method, require_post, require_read
from authsvc.web.problems import MethodNotAllowed


def view(request: Any) -> HttpResponse:
    return HttpResponse("ok")


@pytest.mark.parametrize(("decorate", "allowed"), [(require_post, {"POST"}), (require_read, {"GET", "HEAD"})])
def test_guarded_view_answers_its_methods_only(decorate: Any, allowed: set[str]) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PURGE", "get"):
        request = RequestFactory().generic(method, "/")
        request.method = method
        if method in allowed:
            assert decorate(view)(request).content == b"ok"
        else:
            with pytest.raises(MethodNotAllowed) as caught:
                decorate(view)(request)
            assert set(caught.value.headers["Allow"].split(", ")) == allowed


def test_guarded_view_is_exempt_from_csrf_only_when_it_reads_or_says_so() -> None:
    assert getattr(require_read(view), "csrf_exempt", False) is True
    assert getattr(require_post(view), "csrf_exempt", False) is False
    assert getattr(require_method("GET", "POST")(view), "csrf_exempt", False) is False
    assert getattr(csrf_exempt(require_post(view)), "csrf_exempt", False) is True
