"""What the gateway scripts carry with them must be what the service knows, and they must be fit to be copied."""

from __future__ import annotations

import ast
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from profiles.providers import CATALOGUE

GATEWAY = Path(__file__).resolve().parent.parent.parent / "deploy" / "gateway"
SCRIPTS = ["authsvc-resolve", "authsvc-sync"]
pytestmark = pytest.mark.pure


def _load(name: str) -> ModuleType:
    loader = SourceFileLoader(name.replace("-", "_"), str(GATEWAY / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


def test_resolve_knows_the_variables_of_the_catalogue() -> None:
    assert {slug: known.env_names for slug, known in CATALOGUE.items()} == _load("authsvc-resolve").ENV_NAMES


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_is_executable_and_imports_the_standard_library_only(name: str) -> None:
    path = GATEWAY / name
    assert path.stat().st_mode & 0o111
    assert path.stat().st_mode & 0o022 == 0
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in imported} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("text", "place", "name", "field"),
    [
        ("acme/prod/anthropic", "acme/prod", "anthropic", None),
        ("acme/prod/anthropic#token", "acme/prod", "anthropic", "token"),
        ("acme/prod/anthropic:work", "acme/prod", "anthropic:work", None),
        ("acme/prod/anthropic:work#value", "acme/prod", "anthropic:work", "value"),
    ],
)
def test_id_grammar_names_place_profile_and_field(text: str, place: str, name: str, field: str | None) -> None:
    match = _load("authsvc-resolve").ID.fullmatch(text)
    assert match is not None
    assert (match["place"], match["name"], match["field"]) == (place, name, field)


@pytest.mark.parametrize("text", ["", "anthropic", "acme/prod", "acme/prod/", "a/b/c/d", "a/b/c#", "a/b/c d", "a/b/-c"])
def test_id_grammar_refuses_everything_else(text: str) -> None:
    assert _load("authsvc-resolve").ID.fullmatch(text) is None
