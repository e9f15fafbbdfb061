"""The credentials' drawings on the first page: how each environment stands, and who is handed what right now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from authsvc.tenants.admin_site import chosen_place, in_sight, operator_of, places_where, shows_chart
from authsvc.web.chart import Chart, Line
from profiles.health import CheckCode
from profiles.models import Lease, Profile
from profiles.services.verdicts import verdicts_of

MOST_PLACES, MOST_PROVIDERS = 6, 8
STATUS_SCOPE = "status:read"
WORDS = {
    CheckCode.OK: ("every credential is fine", "good"),
    CheckCode.EXPIRING: ("a credential ends soon", "warn"),
    CheckCode.FAILING: ("a credential is expired or missing", "bad"),
    None: ("no credential is stored", ""),
}


@shows_chart
def verdict_by_environment(request: HttpRequest) -> Chart:
    """Say how the credentials of each environment stand, as a check of each would."""
    chosen = chosen_place(request)
    allowed = places_where(request, STATUS_SCOPE)
    places = [row for row in allowed if chosen is None or row.id == chosen.id]
    verdicts = verdicts_of(places[:MOST_PLACES], now=timezone.now())
    address = reverse("admin:profiles_profile_status")
    lines = [
        Line(str(place), *WORDS[verdicts[place.id]], f"{address}?{urlencode({'environment': place.id})}")
        for place in places[:MOST_PLACES]
    ]
    more = len(places) - len(lines)
    return Chart(
        "How credentials stand",
        f"{more} more environments: choose one above." if more else "",
        lines=lines,
        when_empty="No environment is yours to look at.",
    )


@shows_chart
def leases_by_provider(request: HttpRequest) -> Chart:
    """Say how many credentials are handed out now, by provider."""
    rows = in_sight(living(Lease.unscoped.all()), operator_of(request), chosen_place(request))
    counted = rows.order_by().values("profile__provider").annotate(count=Count("pk")).order_by("-count")
    found = [(row["profile__provider"], row["count"]) for row in counted[:MOST_PROVIDERS]]
    address = reverse("admin:profiles_lease_changelist")
    return Chart(
        "Credentials handed out now",
        lines=[
            Line(provider, str(count), url=f"{address}?{urlencode({'provider': provider, 'lease': 'living'})}")
            for provider, count in found
        ],
        when_empty="No lease is alive. A gateway gets one from POST /api/v1/credentials/resolve.",
        url=f"{address}?lease=living",
    )


def living(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the leases that have not ended."""
    return rows.filter(expires_at__gt=timezone.now())


class ProviderFilter(admin.SimpleListFilter):
    """Filters leases by the provider of what was handed out."""

    title = parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the providers of the profiles the operator sees."""
        rows = in_sight(Profile.unscoped.all(), operator_of(request), None)
        return [(name, name) for name in rows.order_by("provider").values_list("provider", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the leases of that provider."""
        return queryset.filter(profile__provider=self.value()) if self.value() else queryset


class LivingFilter(admin.SimpleListFilter):
    """Filters leases by whether they still may be used."""

    title = parameter_name = "lease"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("living", "not ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the living leases."""
        return living(queryset) if self.value() == "living" else queryset
