"""The bare Django JSON view everything is measured against, and DRF + simplejwt beside it. Settings and routes in one.

``BENCH_PEM`` names the file with the public key, ``BENCH_AUDIENCE`` the audience of the tokens.
"""

import json
import os
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

SECRET_KEY = "only for measuring; signs nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.bench.peer_django"
MIDDLEWARE: list[str] = []
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"]
DATABASES: dict[str, Any] = {}
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": "",
    "VERIFYING_KEY": Path(os.environ["BENCH_PEM"]).read_text(),
    "AUDIENCE": os.environ["BENCH_AUDIENCE"],
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": None,
}


def bare(_request: HttpRequest) -> JsonResponse:
    """Answer, and nothing else."""
    return JsonResponse({"ok": True})


def echo(request: HttpRequest) -> HttpResponse:
    """Parse a JSON body and dump it again: the least that a filter over HTTP can cost."""
    return HttpResponse(json.dumps(json.loads(request.body)), content_type="application/json")


def _routes() -> list[Any]:
    from django.urls import path
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Guarded(APIView):
        def get(self, _request: Request) -> Response:
            return Response({"ok": True})

    return [path("bare", bare), path("echo", echo), path("simplejwt", Guarded.as_view())]


def __getattr__(name: str) -> Any:
    if name == "urlpatterns":
        return _routes()
    if name == "application":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    raise AttributeError(name)
