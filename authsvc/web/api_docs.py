"""The readable API page.

Swagger's files are served by us, its script from a second address, so the strict policy holds.
"""

from __future__ import annotations

from drf_spectacular.views import SpectacularSwaggerSplitView


class ApiDocs(SpectacularSwaggerSplitView):
    """``/api/docs/``."""

    url_name = "schema"
