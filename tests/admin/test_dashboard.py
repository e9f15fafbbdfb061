"""The first page, the choice of a place, and the search: figures that lead to their lists, nothing of anybody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authsvc.audit.figures import keep_figures
from authsvc.audit.models import RightsReach
from authsvc.audit.record import record
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tokens.models import ApiKey
from profiles.models import Credential, OAuthRefresh
from rbac.models import Grant
from tests.admin.crawl import pages
from tests.world import World

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def test_figures_lead_to_lists_of_exactly_those_rows(world: World, acme: Client) -> None:
    Credential.unscoped.filter(id=world.prod.ids["credential"]).update(expires_at_ms=1_000)
    ApiKey.unscoped.filter(id=world.prod.ids["api_key"]).update(created_at=LONG_AGO, rotate_after=LONG_AGO)
    page = acme.get("/admin/").content.decode()
    for text, url, row_id in (
        ("1</strong> credentials have expired", "/admin/profiles/profile/?health=expired", world.prod.ids["profile"]),
        ("1</strong> keys and secrets are due", "/admin/authsvc/apikey/?rotation=due", world.prod.ids["api_key"]),
        ("1</strong> keys were unused", "/admin/authsvc/apikey/?rotation=unused", world.prod.ids["api_key"]),
        ("2</strong> devices wait", "/admin/devices/device/?status=pending", world.prod.pending_device["id"]),
    ):
        assert text in page, text
        assert url in page
        assert f"{quote(row_id)}/change/" in acme.get(url).content.decode()


def test_credential_that_ends_tomorrow_counts_as_expiring(world: World, acme: Client, now: datetime) -> None:
    soon_ms = int((now + timedelta(hours=3)).timestamp() * 1000)
    Credential.unscoped.filter(id=world.prod.ids["credential"]).update(expires_at_ms=soon_ms)
    assert "1</strong> credentials end within a day" in acme.get("/admin/").content.decode()


def test_dashboard_takes_few_queries(
    world: World, acme: Client, django_assert_max_num_queries: type[CaptureQueriesContext]
) -> None:
    with django_assert_max_num_queries(14):  # type: ignore[arg-type]
        acme.get("/admin/")


def test_chosen_place_narrows_lists_figures_and_forms(world: World, acme: Client) -> None:
    prod, dev = world.prod.environment(), world.dev.environment()
    acme.post("/admin/place/", {"place": prod.id})
    devices = acme.get("/admin/devices/device/").content.decode()
    assert quote(world.prod.pending_device["id"]) in devices
    assert quote(world.dev.pending_device["id"]) not in devices
    assert "1</strong> devices wait" in acme.get("/admin/").content.decode()
    form = acme.get("/admin/authsvc/issuedtoken/add/").content.decode()
    assert world.prod.client_id in form
    assert world.dev.client_id not in form
    assert (
        quote(world.dev.pending_device["id"]) in acme.get("/admin/devices/device/", {"place": dev.id}).content.decode()
    )
    assert (
        quote(world.dev.pending_device["id"]) in acme.get("/admin/devices/device/", {"place": "all"}).content.decode()
    )


def test_choosing_a_foreign_place_is_choosing_none(world: World, globex: Client) -> None:
    globex.post("/admin/place/", {"place": world.prod.environment().id})
    page = globex.get("/admin/devices/device/").content.decode()
    assert quote(world.foreign.pending_device["id"]) in page
    assert "acme" not in page


def test_prod_is_marked_on_its_pages(world: World, acme: Client) -> None:
    for place, marked in ((world.prod, True), (world.dev, False)):
        page = acme.get(f"/admin/devices/device/{place.device['id']}/change/").content.decode()
        assert ("place-prod" in page) is marked
        assert ("workbar-prod" in page) is marked


@pytest.mark.parametrize("what", ["profile", "device", "service_account", "gateway", "api_key"])
def test_search_finds_a_row_by_its_id(world: World, acme: Client, globex: Client, what: str) -> None:
    row_id = world.prod.ids[what]
    assert f"{quote(row_id)}/change/" in acme.get("/admin/search/", {"q": row_id}).content.decode()
    assert f"{quote(row_id)}/change/" not in globex.get("/admin/search/", {"q": row_id}).content.decode()


def test_search_finds_a_key_by_its_beginning_and_its_end(world: World, acme: Client) -> None:
    key_id = world.prod.ids["api_key"]
    beginning = world.prod.api_key[: len("ask_prod_") + len(key_id.removeprefix("key_")) + 1]
    for text in (beginning, ApiKey.unscoped.get(id=key_id).last_four):
        assert f"{quote(key_id)}/change/" in acme.get("/admin/search/", {"q": text}).content.decode(), text


def test_search_without_a_hit_says_what_to_type(world: World, acme: Client) -> None:
    for text in ("no such thing", "", "\x00", "%", "é" * 500):
        assert acme.get("/admin/search/", {"q": text}).status_code == 200
    assert "Nothing found" in acme.get("/admin/search/", {"q": "no such thing"}).content.decode()


def test_charts_show_decisions_verdicts_leases_and_reach_with_links(world: World, acme: Client, now: datetime) -> None:
    place = world.prod
    assert place.api().post("/credentials/resolve", {"provider": "anthropic"}).status_code == 200
    question = {"token": place.api_key, "scope": "profiles:read"}
    for asked in (question, question, {**question, "token": "x"}):
        assert place.api().post("/decide", asked).status_code == 200
    keep_figures()
    RightsReach(tenant_id=place.environment().tenant_id, changes=1, milliseconds=210, measured_at=now).save()
    acme.post("/admin/place/", {"place": place.environment().id})
    page = acme.get("/admin/").content.decode()
    for text in (
        "2 allowed, 1 denied",
        'class="bar-good"',
        "every credential is fine",
        "0.21 s",
    ):
        assert text in page, text
    assert "style=" not in page[page.index('class="charts"') : page.index("Recent events")]
    audit = acme.get("/admin/authsvc/auditevent/?area=decision&since=day").content.decode()
    assert "?area=decision&amp;since=day" in page
    assert "decision.denied" in audit
    assert "/admin/profiles/lease/?provider=anthropic&amp;lease=living" in page
    assert "1 lease" in acme.get("/admin/profiles/lease/?provider=anthropic&lease=living").content.decode()
    status = f"/admin/profiles/profile/status/?environment={place.environment().id}"
    assert status in page
    assert "Every credential is fine" in acme.get(status).content.decode()
    Credential.unscoped.filter(id=place.ids["credential"]).update(kind="token", expires_at_ms=1_000)
    assert "a credential is expired or missing" in acme.get("/admin/").content.decode()
    assert "A credential is expired" in acme.get(status).content.decode()


def test_charts_of_another_tenant_show_nothing_of_it(world: World, globex: Client) -> None:
    assert world.prod.api().post("/decide", {"token": "x", "scope": "profiles:read"}).status_code == 200
    keep_figures()
    page = globex.get("/admin/").content.decode()
    assert "Nobody asked for a decision" in page
    assert "No lease is alive" in page
    assert "acme" not in page


def test_anomalies_and_failed_logins_lead_to_their_rows(world: World, acme: Client, now: datetime) -> None:
    row = Credential.unscoped.get(id=world.prod.ids["credential"])
    owner = {name: getattr(row, name) for name in ("tenant_id", "environment_id", "profile_id")}
    OAuthRefresh(**owner, failed_version=row.version, failure_reason="invalid_grant", is_terminal=True).save()
    detail = {"reason": "two places at once"}
    record(world.prod.caller(), "device.clone_suspected", subject_id="dev_copy", detail=detail, now=now)
    page = acme.get("/admin/").content.decode()
    assert "1</strong> anomalies within a day" in page
    assert "1</strong> logins can no longer be refreshed" in page
    assert "dev_copy" in acme.get("/admin/authsvc/auditevent/?anomaly=any&since=day").content.decode()
    assert quote(row.profile_id) in acme.get("/admin/profiles/profile/?health=failed").content.decode()


def test_empty_list_says_what_to_do_next_and_an_unmatched_filter_that_it_is_one(world: World, acme: Client) -> None:
    address = "/admin/rbac/channelpairing/"
    assert "Nobody asked to pair" in acme.get(address).content.decode()
    assert "Nothing here matches" in acme.get(address, {"q": "nobody"}).content.decode()
    assert "Nothing here matches" in acme.get("/admin/profiles/profile/", {"health": "expired"}).content.decode()
    Grant.objects.for_tenant(world.prod.environment().tenant_id).delete()
    page = acme.get("/admin/rbac/grant/").content.decode()
    assert "Nobody holds a role here yet" in page
    assert "Add the first one" in page


def test_every_list_has_a_sentence_of_its_own_for_when_it_is_empty() -> None:
    sentences = [page.when_empty for page in pages().values() if page.when_empty != HouseAdmin.when_empty]
    assert len(sentences) == len(set(sentences)) >= 16
