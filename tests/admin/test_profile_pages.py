"""Moving in, the order, and who would get which credential: nothing is released, nothing shown back."""

from __future__ import annotations

from django.test import Client

from profiles.models import Lease, Profile, ProfileOrder
from tests.world import World

IMPORT = "/admin/profiles/profile/import/"
OUTLOOK = "/admin/profiles/profile/outlook/"
VALUE = "sk-ant-api03-" + "Zt4" * 31
FILE = f"ANTHROPIC_API_KEY={VALUE}\n"


def body_of(world: World, **fields: str) -> dict[str, str]:
    """Return the import form for acme/prod."""
    place = world.prod.environment().id
    return {"environment": place, "format": "dotenv", "agent": "movers", "content": FILE, **fields}


def test_preview_names_what_would_happen_and_changes_nothing(world: World, acme: Client) -> None:
    before = Profile.unscoped.count()
    page = acme.post(IMPORT, body_of(world, preview="1"))
    assert "created" in page.content.decode()
    assert VALUE not in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    assert Profile.unscoped.count() == before


def test_import_takes_the_file_over(world: World, acme: Client) -> None:
    assert acme.post(IMPORT, {**body_of(world), "import": "1"}).status_code == 302
    assert Profile.unscoped.filter(agent="movers", provider="anthropic").count() == 1


def test_file_that_cannot_be_read_is_refused_without_echo(world: World, acme: Client) -> None:
    page = acme.post(IMPORT, body_of(world, format="openclaw")).content.decode()
    assert "errornote" in page or "errorlist" in page
    assert VALUE not in page


def test_auditor_and_other_tenant_import_nothing(world: World, auditor: Client, globex: Client) -> None:
    before = Profile.unscoped.count()
    assert auditor.post(IMPORT, {**body_of(world), "import": "1"}).status_code == 404
    assert globex.post(IMPORT, {**body_of(world), "import": "1"}).status_code == 200
    assert Profile.unscoped.count() == before


def test_outlook_names_the_choice_and_releases_nothing(world: World, acme: Client, auditor: Client) -> None:
    place = world.prod.environment().id
    for client in (acme, auditor):
        page = client.get(OUTLOOK, {"environment": place, "provider": "anthropic", "agent": "agent-1"})
        assert "anthropic:default</strong> would be handed out" in page.content.decode()
    assert not Lease.unscoped.exists()


def test_order_is_moved_by_a_button_and_refused_to_the_auditor(world: World, acme: Client, auditor: Client) -> None:
    place = world.prod.environment().id
    second = {"environment": place, "provider": "anthropic", "name": "second", "agent": "main", "kind": "api_key"}
    acme.post("/admin/profiles/profile/add/", {**second, "value": VALUE, "minimum_trust": "0"})
    body = {"environment": place, "provider": "anthropic", "agent": "main"}
    first = acme.get(OUTLOOK, body).context["order"]
    assert sorted(first) == ["anthropic:default", "anthropic:second"]
    assert auditor.post(OUTLOOK, {**body, "down": first[0]}).status_code == 404
    assert not ProfileOrder.unscoped.exists()
    acme.post(OUTLOOK, {**body, "down": first[0]})
    assert ProfileOrder.unscoped.get().profile_keys == [first[1], first[0]]
    acme.post(OUTLOOK, {**body, "clear": "1"})
    assert not ProfileOrder.unscoped.exists()
