"""Moving in from agtOS: the secret and its salt come with the file, are named when they are wrong, and never kept."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from profiles.models import Profile
from tests.unit.test_interchange_agtos import KEY, SALT, SECRET, old, record
from tests.world import World

FILE = {"claude": record(old(KEY))}
BODY = {"format": "agtos", "agent": "mover", "content": FILE, "passphrase": SECRET, "salt": SALT.hex()}


def _import(world: World, **changes: str) -> Any:
    return world.prod.api().post("/profiles/import", {**BODY, **changes})


@pytest.mark.parametrize(
    ("field", "value"), [("passphrase", ""), ("salt", ""), ("salt", "00" * 15), ("salt", "not hex at all, not at all")]
)
def test_import_without_what_opens_the_file_names_the_field(world: World, field: str, value: str) -> None:
    answer = _import(world, **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_import_with_a_wrong_secret_changes_nothing_and_names_the_entry(world: World) -> None:
    answer = _import(world, passphrase="another")
    assert (answer.status_code, answer.json()["code"]) == (400, "store_not_importable")
    assert [each["profile"] for each in answer.json()["findings"]] == ["anthropic:default"]
    assert not Profile.objects.for_environment(world.prod.caller()).filter(agent="mover").exists()


def test_imported_key_resolves(world: World) -> None:
    assert _import(world).status_code == 200
    released = world.prod.api().post("/credentials/resolve", {"provider": "anthropic", "agent": "mover"})
    assert released.json()["value"] == KEY


def test_command_reads_the_secret_from_a_file(world: World, tmp_path: Path) -> None:
    source, secret = tmp_path / "credentials.json", tmp_path / "secret"
    source.write_text(json.dumps(FILE))
    secret.write_text(f"{SECRET}\n")
    unlock = ("--passphrase-file", str(secret), "--salt", SALT.hex())
    place = ("--tenant", "acme", "--env", "prod", "--agent", "mover")
    said = StringIO()
    call_command("profiles", "import", "--format", "agtos", "--file", str(source), *unlock, *place, stdout=said)
    assert "anthropic:default: created" in said.getvalue()
    assert KEY not in said.getvalue()
