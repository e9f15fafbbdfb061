"""What the reference pages must name: settings, scopes, problems, events and commands, read from the code itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from authsvc.web.problems import Problem
from tests.house.sources import PACKAGES, ROOT

READERS = {"str", "bool", "list", "int", "float", "db_url", "url", "json"}


def settings_names() -> set[str]:
    """Return every name that ``settings.py`` reads from the environment."""
    tree = ast.parse((ROOT / "authsvc" / "settings.py").read_text())
    return {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.func.attr in READERS
        and isinstance(node.args[0], ast.Constant)
    }


def problem_classes() -> dict[str, type[Problem]]:
    """Return each problem slug of the code with the most general class that has it."""
    for _ in modules():
        pass
    found: dict[str, type[Problem]] = {}
    pending: list[type[Problem]] = [Problem]
    while pending:
        kind = pending.pop(0)
        if not kind.__module__.startswith("tests."):
            found.setdefault(kind.slug, kind)
        pending.extend(kind.__subclasses__())
    return dict(sorted(found.items()))


def modules() -> Iterator[ModuleType]:
    """Import and yield every module of ours that can be imported."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if ".migrations" not in found.name and found.name != "authsvc.wsgi":
                yield importlib.import_module(found.name)


def command_names() -> set[str]:
    """Return our management commands."""
    folders = [ROOT / package / "management" / "commands" for package in PACKAGES]
    return {path.stem for folder in folders for path in folder.glob("*.py") if not path.stem.startswith("_")}
