"""Moving in and out: nothing is lost in ``full``, no secret byte leaves otherwise, and files are private."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from profiles.models import Credential, Profile
from tests.world import Api, Place, World

STORES = Path(__file__).resolve().parent.parent / "vectors" / "stores"
SAMPLES = ["02_token_with_expiry.json", "05_oauth_refresh.json", "08_explicit_order_cooldown.json"]
STRANGE: dict[str, Any] = {
    "version": 3,
    "profiles": {
        "zai:one": {"type": "api_key", "provider": "zai", "key": " k ",
                    "metadata": {"team": "x"}, "odd": [1, {"a": None}]},
        "zai:two": {"type": "token", "provider": "zai", "token": "tok-2", "expires": 1826832035715, "email": "a@b.c"},
        "env:ref": {"type": "api_key", "provider": "env", "keyRef": {"source": "env", "provider": "e", "id": "A_KEY"}},
        "login:me": {"type": "oauth", "provider": "login", "access": "acc", "refresh": "ref", "idToken": "idt",
                     "expires": 1795324835715, "accountId": "acct", "issuer": "https://issuer.example"},
    },
    "order": {"zai": ["zai:two", "zai:ghost", "zai:one"], "none": []},
    "lastGood": {"zai": "zai:two"},
    "usageStats": {"inline-api-key:zai": {"errorCount": 2}, "zai:one": {"lastUsed": 5, "cooldownClassification": "x"},
                   "zai:two": {}},
    "providerStats": {"zai": {"circuit": "half_open", "secret-ish": "p-1"}},
    "somethingNew": [1, 2, {"deep": True}],
}  # fmt: skip


def _emptied(place: Place) -> Place:
    Profile.objects.for_environment(place.caller()).delete()
    return place


def _import(place: Place, document: dict[str, Any], agent: str = "main") -> None:
    body = {"format": "openclaw", "content": document, "agent": agent}
    answer = place.api().post("/profiles/import", body)
    assert answer.status_code == 200, answer.json()


def _export(place: Place, query: str, bearer: str = "") -> Any:
    return (Api(bearer) if bearer else place.api()).get(f"/profiles/export?{query}")


@pytest.mark.parametrize("sample", [*SAMPLES, "strange"])
def test_import_then_full_export_is_lossless(world: World, sample: str) -> None:
    place = _emptied(world.prod)
    document = STRANGE if sample == "strange" else json.loads((STORES / sample).read_text())
    _import(place, document)
    answer = _export(place, "secrets=full&refresh_tokens=include")
    assert answer.status_code == 200
    assert answer.json()["document"] == document
    assert answer["Cache-Control"] == "no-store"
    split = _export(place, "format=openclaw_split&secrets=full&refresh_tokens=include").json()
    assert {**split["document"], **split["state"]} == document


def test_full_export_leaves_refresh_tokens_out_unless_asked(world: World) -> None:
    place = _emptied(world.prod)
    _import(place, STRANGE)
    text = _export(place, "secrets=full").content.decode()
    assert '"access":"acc"' in text.replace(" ", "")
    assert '"refresh":"ref"' not in text.replace(" ", "")


@pytest.mark.parametrize("mode", ["none", "refs"])
@pytest.mark.parametrize("sample", [*SAMPLES, "strange"])
def test_export_without_secrets_holds_no_secret_byte(world: World, mode: str, sample: str) -> None:
    place = _emptied(world.prod)
    document = STRANGE if sample == "strange" else json.loads((STORES / sample).read_text())
    _import(place, document)
    for format_name in ("openclaw", "openclaw_split", "argentos", "dotenv"):
        shown = _export(place, f"secrets={mode}&format={format_name}").content.decode()
        for entry in document["profiles"].values():
            for field in ("key", "token", "access", "refresh", "idToken"):
                assert json.dumps(entry.get(field, "never-there")) not in shown


def test_refs_export_points_to_this_environment(world: World) -> None:
    place = _emptied(world.prod)
    _import(place, STRANGE)
    document = _export(place, "secrets=refs").json()["document"]
    assert document["profiles"]["zai:one"]["keyRef"] == {
        "source": "exec",
        "provider": "authsvc",
        "id": "acme/prod/zai:one",
    }


def test_agents_get_different_files_and_tenants_nothing_of_each_other(world: World) -> None:
    place = _emptied(world.prod)
    _import(place, STRANGE)
    other = {"version": 1, "profiles": {"zai:ops": {"type": "api_key", "provider": "zai", "key": "ops-key-1"}}}
    _import(place, other, agent="ops")
    assert _export(place, "secrets=full&agent=ops").json()["document"] == other
    assert "ops-key-1" not in _export(place, "secrets=full").content.decode()
    for foreign in (world.dev, world.foreign):
        shown = _export(foreign, "secrets=full&refresh_tokens=include").content.decode()
        assert not any(name in shown for name in ("zai:one", "ops-key-1", "half_open"))


def test_full_export_needs_scopes_and_every_export_is_audited(world: World) -> None:
    token = world.prod.access_token(**world.prod.reader)
    assert _export(world.prod, "secrets=none", token).status_code == 200
    assert _export(world.prod, "secrets=full", token).status_code == 403
    assert _export(world.prod, "secrets=none", "").status_code == 200
    assert Api().get("/profiles/export").status_code == 401
    narrow = world.prod.access_token(scope="profiles:read credentials:resolve credentials:write")
    assert _export(world.prod, "secrets=full", narrow).status_code == 200
    assert _export(world.prod, "secrets=full&refresh_tokens=include", narrow).status_code == 403
    modes = [event.detail["secrets"] for event in AuditEvent.objects.filter(event_type="profiles.exported")]
    assert sorted(modes) == ["full", "none", "none"]


def test_export_leaves_out_profiles_above_the_callers_trust(world: World) -> None:
    Profile.objects.for_environment(world.prod.caller()).update(minimum_trust=3)
    answer = _export(world.prod, "secrets=full").json()
    assert answer["document"]["profiles"] == {}
    assert [finding["code"] for finding in answer["findings"]] == ["not_exported"]


def test_import_with_refresh_fence_changes_nothing_and_names_the_entry(world: World) -> None:
    before = Credential.objects.for_environment(world.prod.caller()).count()
    fence = {"type": "oauth", "provider": "x", "access": "openclaw-oauth-refresh-fence:v1:abc", "expires": 1}
    body = {
        "format": "openclaw",
        "content": {"profiles": {"x:a": fence, "x:b": {"type": "api_key", "provider": "x", "key": "k"}}},
    }
    answer = world.prod.api().post("/profiles/import", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "store_not_importable")
    assert [each["profile"] for each in answer.json()["findings"] if each["severity"] == "error"] == ["x:a"]
    assert Credential.objects.for_environment(world.prod.caller()).count() == before


def test_import_of_malformed_entries_names_each_and_changes_nothing(world: World) -> None:
    before = Credential.objects.for_environment(world.prod.caller()).count()
    profiles: dict[str, Any] = {
        "good:one": {"type": "api_key", "provider": "good", "key": "k"},
        "no:object": 5,
        "no:type": {"type": "cookie", "provider": "no", "key": "planted-1"},
        "no:provider": {"type": "api_key", "key": "planted-2"},
        "login:ref": {"type": "oauth", "provider": "login", "access": {"source": "env", "provider": "e", "id": "A"}},
        "long:one": {"type": "api_key", "provider": "long", "key": "planted-3" + "x" * 20_000},
    }
    answer = world.prod.api().post("/profiles/import", {"format": "openclaw", "content": {"profiles": profiles}})
    assert (answer.status_code, answer.json()["code"]) == (400, "store_not_importable")
    named = {each["profile"] for each in answer.json()["findings"] if each["severity"] == "error"}
    assert {"no:object", "no:type", "no:provider", "long:one"} <= named
    assert "good:one" not in named
    assert "planted" not in answer.content.decode()
    assert Credential.objects.for_environment(world.prod.caller()).count() == before


def test_commands_round_trip_through_private_files(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _emptied(world.prod)
    place = ("--tenant", "acme", "--env", "prod")
    text = (STORES / SAMPLES[2]).read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    output = io.StringIO()
    call_command("profiles", "import", "--format", "openclaw", "--json", *place, stdout=output)
    path = tmp_path / "new" / "auth-profiles.json"
    wanted = ("--secrets", "full", "--with-refresh-tokens", "--format", "openclaw_split", "--output", str(path))
    call_command("profiles", "export", *wanted, *place, stdout=output)
    assert "FAKE" not in output.getvalue()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_name("auth-state.json"), path.parent)] == [
        0o600,
        0o600,
        0o700,
    ]
    written = {**json.loads(path.read_text()), **json.loads(path.with_name("auth-state.json").read_text())}
    assert written == json.loads(text)


def test_import_command_dry_run_changes_nothing_and_truncated_file_is_refused(world: World, tmp_path: Path) -> None:
    place = ("--tenant", "acme", "--env", "prod")
    before = Credential.objects.for_environment(world.prod.caller()).count()
    whole = STORES / SAMPLES[0]
    call_command(
        "profiles", "import", "--format", "openclaw", "--file", str(whole), "--dry-run", *place, stdout=io.StringIO()
    )
    broken = tmp_path / "broken.json"
    broken.write_text(whole.read_text()[:100])
    with pytest.raises(CommandError) as refused:
        call_command("profiles", "import", "--format", "openclaw", "--file", str(broken), *place, stdout=io.StringIO())
    assert refused.value.returncode == 1
    assert Credential.objects.for_environment(world.prod.caller()).count() == before
