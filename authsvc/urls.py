"""Every route of the service, by floor."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from authsvc.gate import urls as gate
from authsvc.web.api_docs import ApiDescription, ApiDocs

handler400 = "authsvc.gate.errors.bad_request"
handler403 = "authsvc.gate.errors.permission_denied"
handler404 = "authsvc.gate.errors.not_found"
handler500 = "authsvc.gate.errors.server_error"

api: list[URLPattern | URLResolver] = [
    *gate.api,
    path("", include("rbac.urls")),
    path("", include("devices.urls")),
    path("", include("profiles.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/", permanent=False)),
    path("", include("authsvc.ops.urls")),
    *gate.oauth,
    path("api/v1/", include(api)),
    path("api/schema/", ApiDescription.as_view(), name="schema"),
    path("api/docs/", ApiDocs.as_view(), name="docs"),
    path("admin/", admin.site.urls),
]
