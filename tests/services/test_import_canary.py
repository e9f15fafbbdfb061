"""Three real stores are imported and resolved; afterwards nothing that is kept or shown holds any of their secrets."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from profiles.models import Profile
from profiles.services.resolve import AllInCooldown, Release, ResolveQuery, resolve_credential
from profiles.services.store import retire_profile
from tests.canary import found_in as search
from tests.world import Place, World

STORES = Path(__file__).parents[1] / "vectors" / "stores"
FILES = {
    "acme/dev": "02_token_with_expiry.json",
    "globex/prod": "05_oauth_refresh.json",
    "acme/prod": "08_explicit_order_cooldown.json",
}
BASE_MS = 1_795_296_035_715  # when the stores were written
COOL_UNTIL_MS, BROKE_UNTIL_MS = 1_795_303_235_715, 1_795_314_035_715
LISTS: tuple[str, ...] = (
    "profiles",
    "audit",
    "audit/export",
    "audit/checkpoints",
    "tokens",
    "devices",
    "roles",
    "grants",
)
LISTS += ("service-accounts", "gateways", "channels", "order/anthropic", "me")


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def document_of(name: str) -> Any:
    return json.loads((STORES / name).read_text())


def secrets_of(document: Any) -> dict[str, str]:
    fields = ("key", "token", "access", "refresh")
    profiles = document["profiles"].items()
    return {f"{name} {field}": entry[field] for name, entry in profiles for field in fields if field in entry}


def every_secret() -> dict[str, str]:
    return {name: value for file in FILES.values() for name, value in secrets_of(document_of(file)).items()}


def found_in(haystack: str) -> list[str]:
    return search(haystack, every_secret())


def dump() -> str:
    """Return every row of every table as text."""
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - our own tables
            rows += [repr(row) for row in cursor.fetchall()]
    return "\n".join(rows)


def import_into(place: Place, name: str) -> None:
    answer = place.api().post("/profiles/import", {"format": "openclaw", "content": document_of(name)})
    assert answer.status_code == 200, answer.content
    assert found_in(answer.content.decode()) == []


def resolve(place: Place, milliseconds: int = BASE_MS) -> Release:
    return resolve_credential(place.caller(), ResolveQuery(provider="anthropic"), now=at(milliseconds))


def retire(place: Place, key: str) -> None:
    profile = Profile.objects.for_environment(place.caller()).get(key=key)
    retire_profile(place.caller(), profile=profile, reason="test", now=at(BASE_MS))


def test_scan_finds_a_secret_in_every_spelling() -> None:
    secret = every_secret()["anthropic:oauth1 refresh"]
    data = secret.encode()
    planted = [secret, secret[::-1], data.hex(), data.hex().upper(), f"x{secret}y", f"['{secret[:40]}"]
    planted += [base64.b64encode(b"z" * before + data + b"after").decode() for before in range(7)]
    planted += [base64.urlsafe_b64encode(b"\xfb" * before + data).decode() for before in range(7)]
    planted += [base64.b32encode(data).decode(), secret.encode("utf-16-le").decode("latin-1")]
    planted += ["".join(f"\\u{ord(letter):04x}" for letter in secret)]
    assert [text for text in planted if not found_in(text)] == []
    assert found_in("nothing of interest " + "A" * 2000) == []


def test_import_of_a_token_with_expiry_resolves_before_stored_keys(world: World) -> None:
    place = world.place("acme/dev")
    import_into(place, FILES["acme/dev"])
    release = resolve(place)
    assert release.profile.key == "anthropic:manual"
    assert release.value.reveal() == every_secret()["anthropic:manual token"]
    assert resolve(place, 1_826_832_035_715).profile.key == "anthropic:default"  # the token ended a moment before


def test_import_of_an_oauth_profile_resolves_first(world: World) -> None:
    place = world.place("globex/prod")
    import_into(place, FILES["globex/prod"])
    release = resolve(place)
    assert release.profile.key == "anthropic:user@example.com"
    assert release.value.reveal() == every_secret()["anthropic:user@example.com access"]


def test_import_with_explicit_order_resolves_in_that_order(world: World) -> None:
    place = world.prod
    import_into(place, FILES["acme/prod"])
    everything = every_secret()
    first = resolve(place)
    assert (first.profile.key, first.value.reveal()) == ("anthropic:key-a", everything["anthropic:key-a key"])
    assert resolve(place, COOL_UNTIL_MS - 1).profile.key == "anthropic:key-a"
    recovered = resolve(place, COOL_UNTIL_MS)
    assert (recovered.profile.key, recovered.value.reveal()) == ("anthropic:cool", everything["anthropic:cool access"])
    retire(place, "anthropic:key-a")
    assert resolve(place).profile.key == "anthropic:tok"
    retire(place, "anthropic:tok")
    with pytest.raises(AllInCooldown) as caught:
        resolve(place)
    assert caught.value.headers["Retry-After"] == str((COOL_UNTIL_MS - BASE_MS) // 1000)
    retire(place, "anthropic:cool")
    assert resolve(place, BROKE_UNTIL_MS).profile.key == "anthropic:broke"


def test_canaries_are_in_no_table_log_audit_or_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.db.backends").setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    try:
        for name, file in FILES.items():
            import_into(world.place(name), file)
            assert found_in(resolve(world.place(name)).value.reveal())
            refused = world.place(name).api().post("/profiles/import", {"format": "openclaw", "content": "{"})
            assert refused.status_code == 400
            lists = [world.place(name).api().get(f"/{path}?limit=200") for path in LISTS]
            shown = [f"{path}: {hit}" for path, a in zip(LISTS, lists, strict=True) for hit in found_in(_body(a))]
            assert shown == []
            assert [a.status_code for a in lists if a.status_code >= 500] == []
            for row in lists[0].json()["results"]:
                for below in ("", "/credentials"):
                    assert found_in(_body(world.place(name).api().get(f"/profiles/{row['id']}{below}"))) == []
    finally:
        connection.force_debug_cursor = False
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "INSERT INTO" in logged
    assert "anthropic:key-a" in dump()  # the dump does hold the rows
    assert found_in(dump()) == []
    assert found_in(logged) == []


def _body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())
