"""How the code looks: short files, docstrings, narrow excepts, one door to tokens and one to the cipher."""

from __future__ import annotations

import ast
import functools
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import EVERYTHING, ROOT, SOURCES, module_of

MAXIMUM_LINES = 400
MEDIAN_LINES = 120
MAY_CATCH_ALL = (
    "authsvc/gate/errors.py",
    "authsvc/ops/",
    "authsvc/audit/together.py",  # hands each failure to the thread whose unit it is
)
TOKEN_LIBRARIES = {"jwt", "rest_framework_simplejwt"}
TOKEN_DOOR = "authsvc/tokens/jwt.py"
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    """Return the path below the root."""
    return str(path.relative_to(ROOT))


@functools.cache
def trees() -> list[tuple[str, ast.Module]]:
    """Return each source file's name and syntax tree, parsed once for this file's tests."""
    return [(name_of(path), ast.parse(path.read_text())) for path in SOURCES]


@functools.cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Return every node of every source file, with the file's name."""
    return [(name, node) for name, tree in trees() for node in ast.walk(tree)]


@pytest.fixture(scope="module", autouse=True)
def _forget_trees() -> Iterator[None]:
    """Let go of two hundred thousand nodes that nobody else asks for."""
    yield
    trees.cache_clear()
    nodes.cache_clear()


def imported(tree: ast.AST) -> set[str]:
    """Return the first part of every absolute import."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def public(tree: ast.Module) -> Iterator[Documented]:
    """Yield public functions and classes of a module, and the public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_")
                )


def lines_of(path: Path) -> int:
    """Return how many lines a file has."""
    return len(path.read_text().splitlines())


def test_no_file_is_longer_than_400_lines() -> None:
    assert {name_of(path): lines_of(path) for path in EVERYTHING if lines_of(path) > MAXIMUM_LINES} == {}


def test_median_file_is_shorter_than_120_lines() -> None:
    assert statistics.median(lines_of(path) for path in SOURCES if path.name != "__init__.py") < MEDIAN_LINES


def test_package_files_stay_empty() -> None:
    assert [name_of(path) for path in SOURCES if path.name == "__init__.py" and path.read_text().strip()] == []


def test_every_file_opens_with_a_docstring() -> None:
    missing = [name for name, tree in trees() if tree.body and not ast.get_docstring(tree)]
    assert missing == []


def test_every_public_function_and_class_has_a_docstring() -> None:
    missing = [f"{name}:{node.lineno} {node.name}" for name, tree in trees() for node in public(tree)
               if not ast.get_docstring(node)]  # fmt: skip
    assert missing == []


def test_every_function_is_short_or_one_of_the_tenth() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1 for _, node in nodes() if isinstance(node, ast.FunctionDef)
    ]
    assert statistics.median(lengths) < 10
    assert statistics.quantiles(lengths, n=10)[-1] < 30


def test_nothing_catches_every_exception_but_the_places_that_must() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if not name.startswith(MAY_CATCH_ALL)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node)
    ]
    assert found == []


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in kinds)


@pytest.mark.parametrize(
    ("code", "caught"),
    [("except Exception:", True), ("except (ValueError, BaseException):", True), ("except:", True),
     ("except ValueError:", False)],
)  # fmt: skip
def test_planted_broad_except_is_found(code: str, caught: bool) -> None:
    tree = ast.parse(f"try:\n    pass\n{code}\n    pass\n")
    handler = next(node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
    assert _catches_all(handler) is caught


def test_only_one_file_imports_the_token_libraries() -> None:
    assert {name for name, tree in trees() if imported(tree) & TOKEN_LIBRARIES} == {TOKEN_DOOR}


def test_only_the_vault_uses_the_cipher() -> None:
    users = {
        name
        for name, node in nodes()
        if (
            isinstance(node, ast.Name | ast.alias)
            and "AESGCM" in (getattr(node, "id", "") or getattr(node, "name", ""))
        )
        or (isinstance(node, ast.Attribute) and node.attr in {"AESGCM", "GCM"})
    }
    assert users
    assert {name for name in users if not name.startswith("authsvc/vault/")} == set()


def test_environment_is_read_in_the_settings_alone() -> None:
    """The start-up check for a missing DATABASE_URL, the demo and programs' entry points name it on purpose.

    The doctor looks for names of other products that would announce this host; none of them is a setting of ours.
    """
    readers = {name for name, node in nodes() if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}}
    assert (
        readers
        - {
            "authsvc/settings.py",
            "authsvc/ops/checks.py",
            "authsvc/ops/doctor.py",
            "authsvc/wsgi.py",
            "authsvc/command_line.py",
            "authsvc/management/account.py",
        }
        == set()
    )


def test_clock_is_read_at_the_edge_alone() -> None:
    """Services take ``now``; models only name Django's clock as a default for rows made outside a service."""
    readers = {
        name
        for name, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today", "time_ns"}
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "self")
    }
    edges = (
        "authsvc/gate/",
        "authsvc/web/api.py",
        "authsvc/management/",
        "authsvc/ops/",
        "authsvc/tenants/admin_base.py",
        "authsvc/tenants/admin_bulk.py",
        "authsvc/operators/admin_pages/",  # views of their own
        "authsvc/operators/session_store.py",  # Django's store reads the clock
        "authsvc/tenants/sign_in.py",
        "profiles/admin_pages/",
        "devices/admin_pages/",
        "rbac/admin_pages/",
        "authsvc/web/limit_middleware.py",  # runs before any view
    )
    assert {name for name in readers if not name.startswith(edges) and not name.endswith("admin.py")} == set()


def test_file_names_are_words_of_the_house() -> None:
    banned = {"utils", "helpers", "common", "manager", "misc"}
    assert [module_of(path) for path in SOURCES if path.stem in banned] == []
