"""A DRF view behind djangorestframework-api-key. Settings and routes in one; ``DATABASE_URL`` as for the service.

Run as a program it makes the table and prints a key.
"""

import os
from typing import Any

import environ

SECRET_KEY = "only for measuring; signs nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.bench.peer_api_key"
MIDDLEWARE: list[str] = []
INSTALLED_APPS = ["rest_framework", "rest_framework_api_key"]
DATABASES: dict[str, Any] = {"default": {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": 600}}
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework_api_key.permissions.HasAPIKey"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}


def made_key() -> str:
    """Return the text of a new key, in a database that is empty before."""
    import django
    from django.core.management import call_command

    django.setup()
    from rest_framework_api_key.models import APIKey  # type: ignore[import-not-found]  # installed by the run

    call_command("migrate", verbosity=0)
    return str(APIKey.objects.create_key(name="bench")[1])


def _routes() -> list[Any]:
    from django.urls import path
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Guarded(APIView):
        def get(self, _request: Request) -> Response:
            return Response({"ok": True})

    return [path("guarded", Guarded.as_view())]


def __getattr__(name: str) -> Any:
    if name == "urlpatterns":
        return _routes()
    if name == "application":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    raise AttributeError(name)


if __name__ == "__main__":
    print(made_key())  # noqa: T201
