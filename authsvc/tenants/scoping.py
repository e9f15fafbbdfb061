"""Managers that refuse a query without a tenant.

``objects`` answers only through ``for_tenant`` or ``for_environment``. ``unscoped`` is the plain manager that Django
itself needs; a test lists which files may name it.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from django.db import models

from authsvc.web.caller import Caller

Row = TypeVar("Row", bound=models.Model)


class UnscopedQuery(RuntimeError):
    """A tenant's rows were asked for without saying whose: a mistake in our code."""


class TenantScopedManager(models.Manager[Row]):
    """Reaches rows of one tenant, or of one of its environments; never all of them."""

    def for_tenant(self, tenant_id: str) -> models.QuerySet[Row]:
        """Return the rows of one tenant."""
        return self._plain().filter(tenant_id=tenant_id)

    def for_environment(self, caller: Caller) -> models.QuerySet[Row]:
        """Return the rows of the caller's tenant and environment."""
        return self._plain().filter(tenant_id=caller.tenant_id, environment_id=caller.environment_id)

    def get_queryset(self) -> NoReturn:
        """Refuse: say whose rows are meant."""
        raise UnscopedQuery(f"{self.model.__name__}: use for_tenant(...) or for_environment(...).")

    def _plain(self) -> models.QuerySet[Row]:
        return models.QuerySet[Row](self.model, using=self._db)


class TenantOwned(models.Model):
    """A row that belongs to one tenant."""

    tenant = models.ForeignKey("authsvc.Tenant", on_delete=models.PROTECT, related_name="+")

    unscoped: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True
        default_manager_name = "unscoped"


class EnvironmentOwned(TenantOwned):
    """A row that belongs to one environment of one tenant."""

    environment = models.ForeignKey("authsvc.Environment", on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True
        default_manager_name = "unscoped"
