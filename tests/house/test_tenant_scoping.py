"""Rows of a tenant are reached through its manager: who may use ``unscoped`` is a list, and ``objects`` refuses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model

from authsvc.tenants.models import Environment, Tenant
from authsvc.tenants.scoping import TenantOwned, TenantScopedManager, UnscopedQuery
from tests.house.sources import ROOT, SOURCES

# Each looks up a proof before the tenant is known, serves the admin's own visibility rule, or looks at every tenant.
MAY_BE_UNSCOPED = {
    "authsvc/tenants/scoping.py",  # where it is defined
    "authsvc/tenants/services.py",  # an issuer's address and an operator's memberships come before any tenant
    "authsvc/tenants/known.py",  # an issuer's address comes before any tenant
    "authsvc/tenants/origins.py",  # a browser names its origin before any proof
    "authsvc/tenants/admin_site.py",  # lists what an operator's memberships allow
    "authsvc/tokens/api_keys.py",  # a token made elsewhere is imported once, whoever has it
    "authsvc/tokens/opaque.py",  # the key says whose it is
    "authsvc/tokens/services.py",  # the kid says whose it is
    "authsvc/tokens/refresh.py",  # the refresh token says whose it is
    "authsvc/tokens/keys.py",  # the worker retires keys whose last token is dead, of every environment
    "rbac/services/key_schedule.py",  # the worker's step over keys of every environment
    "authsvc/operators/invitations.py",  # the link says whose it is
    "authsvc/ops/health.py",  # which key-encryption keys are needed at all
    "authsvc/ops/metrics.py",  # counts over the whole installation, without a name
    "authsvc/ops/doctor.py",  # the same
    "authsvc/management/demo.py",  # furnishes every environment
    "authsvc/management/house_command.py",  # a command names its environment
    "authsvc/gate/admin_pages/signing_keys.py",  # counts within an operator's tenants
    "authsvc/gate/admin_pages/tokens.py",  # finds the environment of a chosen row, then asks for its membership
    "authsvc/gate/admin_pages/reviews.py",  # counts within an operator's tenants
    "authsvc/gate/admin_pages/issue_token.py",  # within an operator's environments
    "authsvc/gate/views/device_page.py",  # within an operator's tenants, by the code a person types
    "rbac/admin_pages/pairings.py",  # counts within an operator's tenants
    "rbac/admin_pages/roles.py",  # finds the environment of a chosen row, then asks for its membership
    "devices/services/authenticate.py",  # the device's id and proof say whose it is
    "devices/services/enrolment_codes.py",  # the code says whose it is
    "devices/services/review.py",  # the worker's step over devices of every environment
    "devices/services/inbox.py",  # what was known before, in the environments of the requests it is given
    "devices/admin.py",  # counts within an operator's tenants
    "profiles/admin.py",  # the same
    "profiles/admin_pages/figures.py",  # counts within an operator's tenants
    "profiles/services/verdicts.py",  # environments an operator was let into
    "profiles/refresh.py",  # the worker's step over logins of every environment
}
ADMIN_LISTS = "authsvc/tenants/admin_base.py"  # one base for every model: it narrows the list to an operator's tenants
OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
HARMLESS = {"default_manager_name"}


def users_of_unscoped(sources: list[Path], root: Path) -> set[str]:
    """Return the files whose code names ``unscoped`` outside a docstring or ``default_manager_name``."""
    return {str(path.relative_to(root)) for path in sources if _names_unscoped(ast.parse(path.read_text()))}


def _names_unscoped(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "unscoped":
            return True
        if isinstance(node, ast.Name) and node.id == "unscoped":
            return True
        if isinstance(node, ast.Call) and any(
            isinstance(argument, ast.Constant) and argument.value == "unscoped" for argument in node.args
        ):
            return True
    return False


def test_only_listed_files_use_the_unscoped_manager() -> None:
    assert users_of_unscoped(SOURCES, ROOT) == MAY_BE_UNSCOPED


@pytest.mark.parametrize("code", ["Role.unscoped.all()", "getattr(Role, 'unscoped')", "unscoped = 1"])
def test_planted_use_is_found(tmp_path: Path, code: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f'"""Says unscoped."""\n{code}\n')
    assert users_of_unscoped([planted], tmp_path) == {"planted.py"}


def test_docstring_alone_is_no_use(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text('"""Says unscoped."""\nclass Meta:\n    default_manager_name = "unscoped"\n')
    assert users_of_unscoped([planted], tmp_path) == set()


def test_private_and_base_managers_are_used_by_nobody() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"_base_manager", "_default_manager"}
    ]
    assert set(found) - {ADMIN_LISTS} == set()


def test_every_tenant_owned_model_is_known() -> None:
    assert len(OWNED) >= 15


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model.__name__)
def test_tenant_owned_model_refuses_plain_queries(model: type[Model]) -> None:
    manager = model.objects  # type: ignore[attr-defined]
    assert model._meta.default_manager_name == "unscoped"
    assert isinstance(manager, TenantScopedManager)
    for query in (manager.all, manager.first, manager.count, manager.get_queryset, manager.exists):
        with pytest.raises(UnscopedQuery):
            query()
    for query in (manager.filter, manager.get, manager.exclude):
        with pytest.raises(UnscopedQuery):
            query(pk="x")


@pytest.mark.parametrize(
    "model",
    [m for m in apps.get_models() if m._meta.app_label in {"authsvc", "rbac", "devices", "profiles"}],
    ids=lambda model: model.__name__,
)
def test_model_with_a_tenant_column_is_tenant_owned(model: type[Model]) -> None:
    points = [f.name for f in model._meta.fields if f.related_model in {Tenant, Environment}]
    assert not points or issubclass(model, TenantOwned)
