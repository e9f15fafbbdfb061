"""The description of the API, for programs and for people.

It is the same for everybody, so each process makes it once. Swagger's files are served by us, its script from a second
address, so the strict policy holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.utils.encoding import force_bytes
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

READ = ["get", "head"]  # DRF would answer OPTIONS with a page that has no template


class ApiDescription(SpectacularAPIView):
    """``/api/schema/``: OpenAPI 3 in YAML or JSON."""

    http_method_names = READ

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return the description, written out once for each form."""
        renderer = request.accepted_renderer
        content_type = f"{renderer.media_type}; charset={renderer.charset}" if renderer.charset else renderer.media_type
        return HttpResponse(_written(renderer), content_type=content_type)


class ApiDocs(SpectacularSwaggerSplitView):
    """``/api/docs/``."""

    http_method_names = READ

    url_name = "schema"


_WRITTEN: dict[str, bytes] = {}


def _written(renderer: BaseRenderer) -> bytes:
    if renderer.media_type not in _WRITTEN:
        _WRITTEN[renderer.media_type] = force_bytes(renderer.render(described(), renderer_context={}))
    return _WRITTEN[renderer.media_type]


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    """Return the OpenAPI document of every route."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document
