"""Managers of tenant-owned rows refuse every query that does not say whose rows it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps

from authsvc.tenants.models import Principal
from authsvc.tenants.scoping import TenantOwned, TenantScopedManager, UnscopedQuery
from tests.world import World

OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
QUERIES: list[Callable[[Any], object]] = [
    lambda manager: manager.all(),
    lambda manager: manager.filter(id="x"),
    lambda manager: manager.get(id="x"),
    lambda manager: manager.first(),
    lambda manager: manager.count(),
    lambda manager: manager.exists(),
    lambda manager: manager.create(),
    lambda manager: manager.bulk_create([]),
    lambda manager: manager.update(state="x"),
    lambda manager: manager.values_list("id"),
    lambda manager: manager.in_bulk(["x"]),
]


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
def test_objects_of_every_owned_model_refuse_an_unscoped_query(model: Any) -> None:
    assert isinstance(model.objects, TenantScopedManager)
    for query in QUERIES:
        with pytest.raises(UnscopedQuery):
            query(model.objects)


def test_owned_models_are_all_of_the_house() -> None:
    assert {"Principal", "DataKey", "SigningKey", "ApiKey", "Profile", "Credential", "Device", "Role", "Grant"} <= {
        model.__name__ for model in OWNED
    }


def test_for_tenant_and_for_environment_return_their_own_rows(world: World) -> None:
    prod, dev, foreign = (place.caller() for place in (world.prod, world.dev, world.foreign))
    mine = {row.id for row in Principal.objects.for_environment(prod)}
    assert mine
    for other in (dev, foreign):
        assert not mine & {row.id for row in Principal.objects.for_environment(other)}
    whole = {row.id for row in Principal.objects.for_tenant(prod.tenant_id)}
    assert mine < whole
    assert not whole & {row.id for row in Principal.objects.for_tenant(foreign.tenant_id)}
    assert not Principal.objects.for_environment(prod.within("", "")).exists()
    assert not Principal.objects.for_tenant("").exists()
