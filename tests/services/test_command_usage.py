"""Every command of the house: bad usage ends with 64, a refusal with one line and 1, a database that is away with 3."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, load_command_class

from authsvc.management.house_command import HouseCommand, problem_text
from authsvc.web.problems import ValidationFailed
from tests import warm
from tests.house.facts import command_names

DJANGOS_OWN = {"migrate"}
OURS = sorted(command_names() - DJANGOS_OWN)
PLACE = ("--tenant", "acme", "--env", "prod")
NOWHERE = ("--tenant", "nobody", "--env", "prod")


def paths_below(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a parser's path and that of each verb below it, whether a verb is a parser or a choice."""
    yield path
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, below in action.choices.items():
                yield from paths_below(below, (*path, verb))
        elif action.dest == "action":
            yield from ((*path, choice) for choice in action.choices or ())


PATHS = [
    path for name in OURS for path in paths_below(load_command_class("authsvc", name).create_parser("", name), (name,))
]


def code_of(*arguments: str) -> int:
    """Return what a command ends with."""
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    return refused.value.returncode


def manage(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it is typed, against a database without tables and without the settings of this run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHSVC_", "DATABASE_"))}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "authsvc.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'empty.sqlite3'}",
        **settings,
    }
    return warm.run(["manage.py", *arguments], environment)


def test_paths_hold_every_command_and_verb() -> None:
    assert {path[0] for path in PATHS} == set(OURS)
    assert {
        ("keys", "export-jwks"),
        ("models", "auth", "order", "set"),
        ("tokens", "revoke"),
        ("vault", "generate"),
    } <= set(PATHS)
    assert len(PATHS) > 35


@pytest.mark.parametrize("name", OURS)
def test_command_stands_on_the_one_base(name: str) -> None:
    command = load_command_class("authsvc", name)
    assert isinstance(command, HouseCommand)
    assert type(command).handle is HouseCommand.handle


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_unknown_option_of_each_command_and_verb_is_bad_usage(path: tuple[str, ...]) -> None:
    assert code_of(*path, "--nonsense") == 64


@pytest.mark.parametrize(
    "arguments",
    [
        *((name, "nonsense") for name in OURS),
        ("models",),
        ("models", "auth"),
        ("models", "auth", "order"),
        ("keys", "list"),
        ("vault", "rotate"),
        ("audit", "export"),
        ("profiles", "import", "--format", "nonsense"),
        ("devices", "approve", "dev_1", *PLACE),
        ("tokens", "issue", *PLACE, "--ttl", "nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_or_missing_argument_is_bad_usage(arguments: tuple[str, ...]) -> None:
    assert code_of(*arguments) == 64


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("keys", "list", *NOWHERE), 1),
        (("tokens", "issue", *NOWHERE), 1),
        (("principals", "enable", "--id", "svc_1", "--reason", "x", *NOWHERE), 1),
        (("devices", "list", *NOWHERE), 1),
        (("vault", "rotate", *NOWHERE), 1),
        (("vault", "verify", "--tenant", "nobody"), 1),
        (("audit", "verify", "--tenant", "nobody"), 1),
        (("models", "status", *NOWHERE), 64),
        (("models", "status", "--warn-after", "nonsense"), 64),
        (("models", "auth", "order", "get", "--provider", "openai"), 64),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else str(each),
)
def test_command_in_an_unknown_place_ends_with_its_code(arguments: tuple[str, ...], code: int) -> None:
    assert code_of(*arguments) == code


@pytest.mark.parametrize("path", [("keys", "rotate"), ("models", "auth", "order", "set")], ids=" ".join)
def test_typed_bad_usage_below_a_verb_ends_with_64(tmp_path: Path, path: tuple[str, ...]) -> None:
    done = manage(tmp_path, *path, "--nonsense")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("usage: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("keys", "list", *PLACE), ("vault", "verify"), ("purge",)], ids=" ".join)
def test_typed_command_without_its_database_could_not_tell(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = manage(tmp_path, *arguments, AUTHSVC_ENV="development")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "CommandError: Could not tell: OperationalError.\n"


def test_vault_generate_works_where_no_setting_is_made(tmp_path: Path) -> None:
    done = manage(tmp_path, "vault", "generate", AUTHSVC_ENV="production")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition("=")[0] for line in done.stdout.splitlines()] == ["AUTHSVC_SECRET_KEY", "AUTHSVC_KEKS"]
    assert not (tmp_path / "empty.sqlite3").exists()


def test_problem_with_fields_and_hint_is_one_line() -> None:
    problem = ValidationFailed("It\nis wrong.", hint="Say\r\nless.", errors={"name": ["too long", "too\nodd"]})
    assert problem_text(problem) == "It is wrong. name: too long too odd Say less."
