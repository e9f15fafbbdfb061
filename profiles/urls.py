"""Routes of the credentials API, below ``/api/v1/``."""

from django.urls import path

from authsvc.web import paths  # noqa: F401 - registers <id:…> and <name:…>
from profiles.views import export, profiles, providers, resolution, status, usage

urlpatterns = [
    path("profiles", profiles.ProfileList.as_view()),
    path("profiles/import", profiles.ProfileImport.as_view()),
    path("profiles/export", export.ProfileExport.as_view()),
    path("profiles/settings", usage.SettingsDetail.as_view()),
    path("profiles/<id:profile_id>", profiles.ProfileDetail.as_view()),
    path("profiles/<id:profile_id>/retire", profiles.ProfileRetirement.as_view()),
    path("profiles/<id:profile_id>/credentials", profiles.CredentialList.as_view()),
    path("profiles/<id:profile_id>/credentials/<id:credential_id>", profiles.CredentialDetail.as_view()),
    path("profiles/<id:profile_id>/clear-cooldown", usage.CooldownClearing.as_view()),
    path("profiles/<id:profile_id>/probe", usage.CredentialProbe.as_view()),
    path("profiles/<id:profile_id>/usage", usage.ProfileUsage.as_view()),
    path("credentials/report", usage.CredentialReport.as_view()),
    path("sessions/<name:session>/pin", resolution.SessionPinDetail.as_view()),
    path("credentials/resolve", resolution.Resolve.as_view()),
    path("providers", providers.ProviderList.as_view()),
    path("providers/<name:provider>", providers.ProviderDetail.as_view()),
    path("status", status.Status.as_view()),
    path("order/<name:provider>", resolution.OrderDetail.as_view(), name="order"),
    path("agents/<name:agent>/order/<name:provider>", resolution.OrderDetail.as_view(), name="agent-order"),
]
