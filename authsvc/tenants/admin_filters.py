"""Filters every list shares: by tenant, and by the environment one works in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authsvc.tenants.admin_site import chosen_place, operator_of, places_of, visible_tenants

EVERYWHERE = "all"
MOST_OFFERED = 100


class TenantFilter(admin.SimpleListFilter):
    """Filters a list by one of the tenants the operator sees."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the first visible tenants, and the chosen one; a longer list is searched, not read."""
        rows = visible_tenants(operator_of(request)).order_by("slug").values_list("id", "slug")
        first = list(rows[:MOST_OFFERED])
        return first + [row for row in rows.filter(id=self.value() or "") if row not in first]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen tenant."""
        return queryset.filter(tenant_id=self.value()) if self.value() else queryset


class PlaceFilter(admin.SimpleListFilter):
    """Filters a list by environment; without a choice here, by the place chosen for the whole admin."""

    title = "environment"
    parameter_name = "place"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        self.place = chosen_place(request)
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the first visible environments, and the chosen one."""
        places = places_of(request)
        return [(row.id, str(row)) for at, row in enumerate(places) if at < MOST_OFFERED or row.id == self.value()]

    def value(self) -> str | None:
        """Return the choice made here, else the place chosen for the whole admin."""
        chosen = super().value()
        if chosen is None and self.place is not None:
            return self.place.id
        return None if chosen in {None, EVERYWHERE} else str(chosen)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen environment."""
        return queryset.filter(environment_id=self.value()) if self.value() else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Offer everywhere first."""
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string({self.parameter_name: EVERYWHERE}),
            "display": "Everywhere",
        }
        for key, title in self.lookup_choices:
            yield {
                "selected": self.value() == str(key),
                "query_string": changelist.get_query_string({self.parameter_name: key}),
                "display": title,
            }
