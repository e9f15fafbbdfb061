"""An operator of one tenant walks the whole admin with another tenant's ids, and learns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.models import Environment, Tenant
from tests.admin.crawl import Address, addresses, answer, example_ids, missing_like, pages, site_addresses, traces_of
from tests.scale import scaled
from tests.world import World

METHODS = ("get", "post")


@pytest.fixture
def theirs(world: World) -> Tenant:
    """Return the tenant that must stay hidden, with a row on every page of the admin."""
    world.prod.access_token()
    assert world.prod.api().post("/credentials/resolve", {"provider": "anthropic"}).status_code == 200
    assert world.prod.api().post("/devices/enrolment-codes", {"name": "fleet"}).status_code == 201
    assert world.prod.api().send("PATCH", "/devices/policy", {"store_ip": True}).status_code == 200
    assert world.prod.api().send("PATCH", "/profiles/settings", {"strategy": "classic"}).status_code == 200
    assert world.prod.api().send("PUT", "/providers/own-llm", {"label": "Own"}).status_code == 200
    made = world.prod.api().post("/invitations", {"invited": world.prod.marker, "role": "auditor"})
    assert made.status_code == 201
    review = {"act": "relaxation", "fields": {"acts": ["trust"]}}
    assert world.prod.api().post("/reviews", review).status_code == 201
    channel = world.prod.api().post("/channels", {"channel": "signal", "dm_policy": "pairing"}).json()
    assert world.prod.api().post(f"/channels/{channel['id']}/pairing", {"sender": world.prod.marker}).status_code == 201
    assert set(example_ids(Tenant.objects.get(slug="acme"))) == set(pages())
    return Tenant.objects.get(slug="acme")


def plain_addresses(tenant: Tenant) -> Iterator[tuple[Address, str]]:
    """Yield each address in which no id stands, with the foreign id of its model."""
    for model, row_id in example_ids(tenant).items():
        for address in (item for item in addresses(model, row_id) if not item.holds_id):
            yield address, row_id


def ids_to_send(page: HouseAdmin, ids: dict[type[Model], str], place_id: str) -> set[str]:
    """Return the foreign ids to send to one page's add form, of all the pages' together every one.

    The form's first choice refuses any of them alike; so each page is sent its own row, the tenant and the environment,
    and the others in turn. The full scale sends all of them to all.
    """
    texts = [text for text in ids.values() if not text.isdigit()]
    turn = list(pages()).index(page.model)
    many = scaled(3, len(texts))
    others = [texts[(turn * many + step) % len(texts)] for step in range(many)]
    return {place_id, ids[Tenant], *others} | ({ids[page.model]} & set(texts))


def questions(tenant: Tenant, world: World, row_id: str) -> list[dict[str, str]]:
    """Return query strings that point at another tenant's rows in every way the admin understands."""
    place = world.prod.environment()
    return [
        {"q": row_id},
        {"q": world.prod.marker},
        {"tenant": tenant.id},
        {"place": place.id},
        {"id": row_id},
        {"_to_field": "id", "_popup": "1"},
        {"_to_field": "tenant", "_popup": "1", "q": world.prod.marker},
        {"environment__id__exact": place.id, "_facets": "True"},
        {"o": "-1.2", "all": "", "p": "1"},
        {"environment": place.id, "provider": "anthropic", "agent": "agent-1"},
        {"environment": place.id, "source": "dev"},
        {"environment": place.id, "account": row_id, "principal": row_id, "profile": row_id, "device": row_id},
    ]


def assert_silent(found: tuple[Any, ...], traces: set[bytes], told: str) -> None:
    """Fail when an answer holds anything of the hidden tenant beyond what the request itself said."""
    body = found[2].encode()
    leaked = {trace for trace in traces if trace in body and trace.decode() not in told}
    assert not leaked, f"{told} shows {leaked}"


def test_every_page_without_an_id_shows_nothing_foreign(world: World, globex: Client, theirs: Tenant) -> None:
    traces = traces_of(theirs)
    for address, row_id in plain_addresses(theirs):
        for method in METHODS:
            found = answer(globex, method, address.url, row_id)
            assert found[0] < 500
            assert_silent(found, traces - {row_id.encode()}, address.url)


def test_foreign_and_missing_ids_get_the_same_answer(world: World, globex: Client, theirs: Tenant) -> None:
    compared, traces = 0, traces_of(theirs)
    for model, row_id in example_ids(theirs).items():
        absent = missing_like(row_id)
        pairs = zip(addresses(model, row_id), addresses(model, absent), strict=True)
        for here, nowhere in (pair for pair in pairs if pair[0].holds_id):
            for method in METHODS:
                foreign = answer(globex, method, here.url, row_id)
                assert foreign == answer(globex, method, nowhere.url, absent), here.url
                assert foreign[0] in {302, 403, 404}, here.url
                assert_silent(foreign, traces - {row_id.encode()}, here.url)
                compared += 1
    assert compared > 100


def test_every_list_asked_for_foreign_rows_shows_none(world: World, globex: Client, theirs: Tenant) -> None:
    traces = traces_of(theirs)
    for model, row_id in example_ids(theirs).items():
        url = next(item.url for item in addresses(model, row_id) if item.name.endswith("_changelist"))
        for query in questions(theirs, world, row_id):
            found = answer(globex, "get", url, row_id, query)
            absent = {
                name: missing_like(value) if value.startswith(("ten_", "env_", row_id[:4])) else value
                for name, value in query.items()
            }
            assert found[0] < 500
            assert_silent(found, traces, f"{url} {query}")
            if "_to_field" not in query and absent != query:
                assert found[0] == answer(globex, "get", url, missing_like(row_id), absent)[0]


def test_every_add_form_sent_with_foreign_ids_changes_nothing(world: World, globex: Client, theirs: Tenant) -> None:
    before, traces = AuditEvent.objects.filter(tenant_id=theirs.id).count(), traces_of(theirs)
    ids, sent = example_ids(theirs), set()
    for page in pages().values():
        if page.service_add_form is None:
            continue
        url = f"/admin/{page.opts.app_label}/{page.opts.model_name}/add/"
        names = [*page.service_add_form.base_fields, "environment"]
        for row_id in ids_to_send(page, ids, world.prod.environment().id):
            sent.add(row_id)
            foreign = answer(globex, "post", url, row_id, dict.fromkeys(names, row_id))
            absent = missing_like(row_id)
            assert foreign == answer(globex, "post", url, absent, dict.fromkeys(names, absent)), url
            assert_silent(foreign, traces - {row_id.encode()}, url)
    assert sent >= {text for text in ids.values() if not text.isdigit()}
    assert AuditEvent.objects.filter(tenant_id=theirs.id).count() == before


@pytest.mark.parametrize("across", [0, 1])
def test_bulk_action_with_foreign_ids_changes_nothing(
    world: World, globex: Client, theirs: Tenant, across: int
) -> None:
    before, traces = AuditEvent.objects.filter(tenant_id=theirs.id).count(), traces_of(theirs)
    asking = _request_of(globex)
    for number, (model, row_id) in enumerate(example_ids(theirs).items()):
        page = pages()[model]
        actions = [
            *page.get_actions(asking),
            "delete_selected",
            "reject_devices",
            "revoke_keys",
            "revoke_tokens",
        ]
        url = next(item.url for item in addresses(model, row_id) if item.name.endswith("_changelist"))
        # One row chosen, or all of them: each action in one of the two ways, in turn; at the full scale in both.
        for action in actions[(number + across) % 2 :: 2] if scaled(1, 0) else actions:
            body = {
                "action": action,
                "select_across": str(across),
                "index": "0",
                "_selected_action": row_id,
                "form-TOTAL_FORMS": "1",
                "form-INITIAL_FORMS": "1",
                "form-0-id": row_id,
                "_save": "Save",
                "post": "yes",
                "confirm": "1",
                "reason": "x",
            }
            found = answer(globex, "post", url, row_id, body)
            assert found[0] < 500
            assert_silent(found, traces, f"{url} {body}")
    assert AuditEvent.objects.filter(tenant_id=theirs.id).count() == before


def test_autocomplete_never_offers_foreign_rows(world: World, globex: Client, theirs: Tenant) -> None:
    traces, asked = traces_of(theirs), 0
    for model in pages():
        for field in model._meta.get_fields():
            if field.remote_field is None:
                continue
            for term in ("", "a", world.prod.marker):
                query = {
                    "app_label": model._meta.app_label,
                    "model_name": model._meta.model_name,
                    "field_name": field.name,
                    "term": term,
                }
                found = answer(globex, "get", "/admin/autocomplete/", term or "acme", query)
                assert found[0] in {200, 403, 404}
                assert_silent(found, traces, str(query))
                asked += 1
    assert asked > 30


def test_site_pages_show_nothing_foreign(world: World, globex: Client, theirs: Tenant) -> None:
    traces = traces_of(theirs)
    names = set()
    for address in site_addresses():
        names.add(address.name)
        for query in ({}, *questions(theirs, world, world.prod.ids["service_account"])):
            found = answer(globex, "get", address.url, "", query)
            assert found[0] < 500, address.url
            assert_silent(found, traces, f"{address.url} {query}")
    assert {"index", "login", "autocomplete", "jsi18n", "app_list", "password_change"} <= names


def test_view_on_site_redirect_is_not_there(globex: Client, world: World) -> None:
    assert globex.get(f"/admin/r/8/{world.prod.ids['profile']}/").status_code == 404


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("authsvc/operator", "password__startswith"),
        ("authsvc/apikey", "secret_hash__startswith"),
        ("authsvc/apikey", "previous_secret_hash__gt"),
        ("devices/device", "user_code_hash__startswith"),
        ("authsvc/signingkey", "private_sealed__startswith"),
        ("profiles/profile", "credentials__sealed__startswith"),
        ("authsvc/membership", "operator__password__startswith"),
    ],
)
def test_lookup_on_a_hidden_column_is_refused_whatever_its_value(globex: Client, page: str, lookup: str) -> None:
    answers = {globex.get(f"/admin/{page}/", {lookup: value}).status_code for value in ("", "a", "argon2", "m")}
    assert answers <= {400, 302}
    assert len(answers) == 1


def test_operator_without_membership_enters_nothing(world: World, signed_in: Any) -> None:
    from authsvc.tenants.models import Membership

    client = signed_in("globex")
    Membership.unscoped.filter(operator__username="globex").delete()
    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/devices/device/").status_code == 302


def test_environment_of_another_tenant_is_never_a_choice(world: World, globex: Client) -> None:
    foreign = Environment.unscoped.get(tenant__slug="acme", name="prod")
    page = globex.get("/admin/profiles/profile/add/", {"environment": foreign.id})
    assert foreign.id not in page.content.decode()


def _request_of(client: Client) -> Any:
    return client.get("/admin/").wsgi_request


def test_pages_beside_the_lists_show_nothing_foreign(world: World, globex: Client, theirs: Tenant) -> None:
    traces, seen = traces_of(theirs), set()
    for model, row_id in example_ids(theirs).items():
        plain = [item for item in addresses(model, row_id) if not item.holds_id]
        for address in (item for item in plain if not item.name.endswith("_changelist")):
            seen.add(address.name)
            for query in questions(theirs, world, row_id)[-3:]:
                for method in METHODS:
                    found = answer(globex, method, address.url, row_id, query)
                    assert found[0] < 500
                    assert_silent(found, traces, f"{address.url} {query}")
    assert {
        "authsvc_issuedtoken_explain",
        "authsvc_review_promote",
        "authsvc_tenant_onboard",
        "profiles_profile_import",
        "profiles_profile_outlook",
    } <= seen
