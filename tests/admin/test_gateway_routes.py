"""A gateway's routes in the admin: rules typed, moved, saved and asked about; what is public is confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from rbac.models import Gateway, GatewayKind
from rbac.services.gateways import create_gateway
from rbac.services.routes import set_routes
from tests.world import World

RUN = ("POST", "/lamps/{id}/run", "agents:run", "2")
READ = ("GET", "/lamps", "agents:read", "0")
HEALTH = ("GET", "/health", "", "0")
EMPTY = ("GET", "", "", "0")
Typed = Sequence[tuple[str, str, str, str]]


@pytest.fixture
def gateway(world: World, now: Any) -> Gateway:
    """Return a gateway of a kind without defaults, and without rules."""
    return create_gateway(world.prod.caller(), name="Lamps", kind=GatewayKind.OPENCLAW, now=now)


def address(gateway: Gateway) -> str:
    return f"/admin/rbac/gateway/{gateway.pk}/routes/"


def send(client: Client, gateway: Gateway, rows: Typed, *, button: str, **fields: str) -> Any:
    """Open the page, type these rows, and press a button, e.g. ``save`` or ``up=1``."""
    name, _, value = button.partition("=")
    columns = zip(("method", "pattern", "scopes", "minimum_trust"), zip(*rows, strict=True), strict=True)
    seen = client.get(address(gateway)).context["seen"]
    body = {column: list(texts) for column, texts in columns}
    return client.post(address(gateway), {**body, "unmapped": "deny", "seen": seen, name: value or "1", **fields})


def stored(gateway: Gateway) -> list[tuple[str, str, str, str]]:
    """Return the stored rules as they would be typed."""
    gateway.refresh_from_db()
    return [(rule["method"], rule["pattern"], " ".join(rule["scopes"]), str(rule["minimum_trust"]))
            for rule in gateway.routes]  # fmt: skip


def shown(answer: Any) -> list[tuple[str, ...]]:
    """Return the rows an answer shows."""
    return [tuple(str(form[name].value()) for name in form.fields) for form in answer.context["sheet"].rules]


def events(gateway: Gateway) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event_type="route.set", subject_id=gateway.pk))


def errors_of(forms: Iterable[Any]) -> list[set[str]]:
    return [set(form.errors) for form in forms]


def test_rules_are_saved_in_order_and_the_act_is_recorded(acme: Client, gateway: Gateway) -> None:
    answer = send(acme, gateway, [RUN, EMPTY, READ, EMPTY], button="save", unmapped="allow")
    assert (answer.status_code, answer["Location"]) == (302, address(gateway).replace("_", "_5F"))
    assert (stored(gateway), gateway.unmapped) == ([RUN, READ], "allow")
    (event,) = events(gateway)
    assert (event.actor_kind, event.detail["count"]) == ("operator", 2)
    page = acme.get(answer["Location"])
    assert shown(page) == [RUN, READ, EMPTY, EMPTY]
    assert "2 rules of its own. A request that no rule names passes" in page.content.decode()


def test_gateways_page_leads_to_its_routes_and_says_what_holds(acme: Client, gateway: Gateway, world: World) -> None:
    page = acme.get(f"/admin/rbac/gateway/{gateway.pk}/change/").content.decode()
    assert "There is no rule yet: forward-auth lets in whoever holds any right here" in page
    assert page.count("/routes/") == 2
    other = acme.get(f"/admin/rbac/gateway/{world.prod.gateway['id']}/change/").content.decode()
    assert "No rule of its own, only the 107 defaults of AgentOS. A request that no rule names is refused." in other


def test_empty_table_says_what_to_do_next(acme: Client, gateway: Gateway) -> None:
    page = acme.get(address(gateway)).content.decode()
    assert "No rule of its own yet. Fill in a row" in page
    assert "defaults stand above" not in page
    assert 'required id="id_rule' not in page  # a browser would not send a form with an empty row
    assert 'required id="id_asked' not in page


def test_defaults_of_agentos_are_listed_and_not_stored(acme: Client, world: World) -> None:
    row = Gateway.objects.for_environment(world.prod.caller()).get(pk=world.prod.gateway["id"])
    assert "The 107 defaults of AgentOS" in acme.get(address(row)).content.decode()
    assert send(acme, row, [READ], button="save").status_code == 302
    assert stored(row) == [READ]


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("up=1", [READ, RUN, EMPTY]),
        ("down=0", [READ, RUN, EMPTY]),
        ("up=0", [RUN, READ, EMPTY]),
        ("down=2", [RUN, READ, EMPTY]),
        ("remove=0", [READ, EMPTY]),
        ("more", [RUN, READ, EMPTY, EMPTY, EMPTY, EMPTY]),
        ("up=9", [RUN, READ, EMPTY]),
        ("remove=-1", [RUN, READ, EMPTY]),
        ("nothing", [RUN, READ, EMPTY]),
    ],
)
def test_buttons_rearrange_what_is_typed_and_store_nothing(
    acme: Client, gateway: Gateway, button: str, expected: Typed
) -> None:
    answer = send(acme, gateway, [RUN, READ, EMPTY], button=button, unmapped="allow")
    assert (answer.status_code, shown(answer)) == (200, expected)
    assert answer.context["sheet"].rest["unmapped"].value() == "allow"
    assert (stored(gateway), events(gateway)) == ([], [])


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (("GET", "lamps", "agents:read", "0"), "pattern"),
        (("GET", "/a/**", "agents:read", "0"), "pattern"),
        (("GET", "", "agents:read", "0"), "pattern"),
        (("GET", "/a", "agents", "0"), "scopes"),
        (("GET", "/a", "agents:read", "4"), "minimum_trust"),
        (("GET", "/a", "", "1"), "minimum_trust"),
        (("get", "/a", "agents:read", "0"), "method"),
        (READ, "pattern"),
    ],
)
def test_mistake_is_said_at_its_field_and_nothing_typed_is_lost(
    acme: Client, gateway: Gateway, row: tuple[str, str, str, str], field: str
) -> None:
    answer = send(acme, gateway, [READ, row], button="save", unmapped="allow")
    assert answer.status_code == 200
    assert errors_of(answer.context["sheet"].rules) == [set(), {field}, set()]
    assert shown(answer) == [READ, row, EMPTY]
    assert answer.context["sheet"].rest["unmapped"].value() == "allow"
    assert stored(gateway) == []


def test_choice_for_the_rest_is_required(acme: Client, gateway: Gateway) -> None:
    answer = send(acme, gateway, [READ], button="save", unmapped="")
    assert "unmapped" in answer.context["sheet"].rest.errors
    assert stored(gateway) == []


def test_column_cut_short_is_a_mistake_and_no_fewer_rules(acme: Client, gateway: Gateway) -> None:
    answer = send(acme, gateway, [RUN, READ], button="save", scopes="agents:run", minimum_trust="2")
    assert errors_of(answer.context["sheet"].rules) == [set(), {"minimum_trust"}, set()]
    assert stored(gateway) == []


def test_rule_becomes_public_only_when_that_very_list_is_confirmed(acme: Client, gateway: Gateway) -> None:
    asked = send(acme, gateway, [READ, HEALTH], button="save")
    assert "These rules become public" in asked.content.decode()
    assert asked.context["sheet"].opened == ["GET /health"]
    assert stored(gateway) == []
    confirmed = asked.context["confirmation"]
    wider = send(acme, gateway, [READ, HEALTH, ("GET", "/*", "", "0")], button="save", confirmed=confirmed)
    assert (wider.status_code, stored(gateway)) == (200, [])
    assert send(acme, gateway, [READ, HEALTH], button="save", confirmed=confirmed).status_code == 302
    assert stored(gateway) == [READ, HEALTH]
    assert send(acme, gateway, [HEALTH, RUN], button="save").status_code == 302  # it is public already
    assert send(acme, gateway, [HEALTH, (*RUN[:2], "", "0")], button="save").status_code == 200


def test_table_changed_meanwhile_is_replaced_only_when_saved_once_more(
    acme: Client, gateway: Gateway, world: World, now: Any
) -> None:
    seen = acme.get(address(gateway)).context["seen"]
    rule = {"method": "GET", "pattern": "/theirs", "scopes": ["agents:read"], "minimum_trust": 0}
    set_routes(world.prod.caller(), gateway=gateway, rules=[rule], unmapped="deny", now=now)
    assert send(acme, gateway, [READ], button="more", seen=seen).context["seen"] == seen
    answer = send(acme, gateway, [READ], button="save", seen=seen)
    page = answer.content.decode()
    assert "Somebody changed these routes meanwhile" in page
    assert "/theirs" in page
    assert (shown(answer), stored(gateway)[0][1]) == ([READ, EMPTY], "/theirs")
    assert send(acme, gateway, [READ], button="save", seen=answer.context["seen"]).status_code == 302
    assert stored(gateway) == [READ]


@pytest.mark.parametrize(
    ("method", "path", "verdict", "words"),
    [
        ("GET", "/lamps", "Needs", "agents:read"),
        ("POST", "/lamps/7/run", "Needs", "agents:run"),
        ("GET", "/health", "Public", "without a token"),
        ("PUT", "/lamps", "Refused", "No rule names"),
        ("GET", "/lamps//7", "Refused", "more than one way"),
    ],
)
def test_question_is_answered_from_what_is_typed_and_stores_nothing(
    acme: Client, gateway: Gateway, method: str, path: str, verdict: str, words: str
) -> None:
    rows = [RUN, READ, HEALTH]
    answer = send(acme, gateway, rows, button="ask", asked_method=method, asked_path=path)
    told = answer.context["answer"]
    assert told.verdict == verdict
    assert words in told.sentence
    assert "they are not saved yet" in answer.content.decode()
    assert shown(answer) == [*rows, EMPTY]
    assert (stored(gateway), events(gateway)) == ([], [])


def test_enter_in_a_field_checks_and_answers_but_saves_nothing(acme: Client, gateway: Gateway) -> None:
    form = acme.get(address(gateway)).content.decode().partition('class="service-form"')[2]
    assert form.partition('<button type="submit"')[2].startswith(' name="ask" value="0"')
    checked = send(acme, gateway, [("GET", "lamps", "", "0")], button="ask=0", asked_path="")
    assert "pattern" in checked.context["sheet"].rules[0].errors
    assert not checked.context["question"].is_bound
    told = send(acme, gateway, [READ], button="ask=0", asked_method="GET", asked_path="/lamps").context["answer"]
    assert (told.sentence, stored(gateway)) == ("agents:read", [])


def test_answer_names_the_rule_its_trust_and_the_default_it_replaces(acme: Client, world: World) -> None:
    row = Gateway.objects.for_environment(world.prod.caller()).get(pk=world.prod.gateway["id"])
    rows = [RUN, ("POST", "/agents/*/runs", "agents:run", "3")]
    assert send(acme, row, rows, button="save").status_code == 302
    query = {"ask": "1", "asked_method": "POST", "asked_path": "/agents/a1/runs"}
    answer = acme.get(address(row), query)
    told = answer.context["answer"]
    assert (told.sentence, told.facts["Minimum trust"]) == ("agents:a1:run", "3")
    assert told.facts["Whose"] == "rule 2 of its own, in the place of a default"
    assert "they are not saved yet" not in answer.content.decode()
    told = acme.get(address(row), {**query, "asked_method": "GET", "asked_path": "/agents"}).context["answer"]
    assert told.facts["Whose"] == "a default of AgentOS"
    assert "single ids" in told.facts["A list"]
    open_rest = send(acme, row, rows, button="ask", unmapped="allow", asked_method="GET", asked_path="/else")
    assert open_rest.context["answer"].verdict == "No rule"


@pytest.mark.parametrize(("unmapped", "words"), [("deny", "says no"), ("allow", "says yes to any good token")])
def test_question_without_any_rule_tells_forward_auth_from_decisions(
    acme: Client, gateway: Gateway, unmapped: str, words: str
) -> None:
    answer = send(acme, gateway, [EMPTY], button="ask", unmapped=unmapped, asked_method="GET", asked_path="/x")
    told = answer.context["answer"]
    assert told.is_open == (unmapped == "allow")
    assert "forward-auth lets in whoever holds any right here" in told.sentence
    assert words in told.sentence


@pytest.mark.parametrize("path", ["lamps", "/lamps?x=1", ""])
def test_question_pasted_wrongly_is_a_field_error(acme: Client, gateway: Gateway, path: str) -> None:
    answer = acme.get(address(gateway), {"ask": "1", "asked_method": "GET", "asked_path": path})
    assert "asked_path" in answer.context["question"].errors
    assert answer.context["answer"] is None


def test_question_waits_until_the_rules_are_right(acme: Client, gateway: Gateway) -> None:
    rows = [("GET", "lamps", "agents:read", "0")]
    answer = send(acme, gateway, rows, button="ask", asked_method="GET", asked_path="/lamps")
    assert "Put the rules above right first" in answer.content.decode()


def test_method_that_only_the_api_took_can_be_kept(acme: Client, gateway: Gateway, world: World, now: Any) -> None:
    rule = {"method": "PROPFIND", "pattern": "/files/*", "scopes": ["agents:read"], "minimum_trust": 0}
    set_routes(world.prod.caller(), gateway=gateway, rules=[rule], unmapped="deny", now=now)
    assert send(acme, gateway, [*stored(gateway), READ], button="save").status_code == 302
    assert [each[0] for each in stored(gateway)] == ["PROPFIND", "GET"]


def test_table_longer_than_a_form_is_left_to_the_api(acme: Client, gateway: Gateway, world: World, now: Any) -> None:
    rules = [{"method": "GET", "pattern": f"/{n}", "scopes": ["agents:read"], "minimum_trust": 0} for n in range(201)]
    set_routes(world.prod.caller(), gateway=gateway, rules=rules[:200], unmapped="deny", now=now)
    assert len(shown(send(acme, gateway, stored(gateway), button="more"))) == 200
    set_routes(world.prod.caller(), gateway=gateway, rules=rules, unmapped="deny", now=now)
    page = acme.get(address(gateway))
    assert "more rules than a form can carry" in page.content.decode()
    assert 'name="save"' not in page.content.decode()
    assert acme.post(address(gateway), {"save": "1"}).status_code == 404


def test_auditor_reads_and_asks_but_saves_nothing(auditor: Client, acme: Client, gateway: Gateway) -> None:
    assert send(acme, gateway, [RUN], button="save").status_code == 302
    page = auditor.get(address(gateway), {"ask": "1", "asked_method": "POST", "asked_path": "/lamps/1/run"})
    text = page.content.decode()
    assert "/lamps/{id}/run" in text
    assert 'name="save"' not in text
    assert 'name="pattern"' not in text
    assert page.context["answer"].sentence == "agents:run"
    assert send(auditor, gateway, [READ], button="save").status_code == 404
    assert send(auditor, gateway, [READ], button="ask").status_code == 404
    assert stored(gateway) == [RUN]
    assert (
        address(gateway).replace("_", "_5F")
        in auditor.get(f"/admin/rbac/gateway/{gateway.pk}/change/").content.decode()
    )


def test_other_tenant_finds_no_routes(globex: Client, gateway: Gateway) -> None:
    assert globex.get(address(gateway)).status_code == 404
    body = {"save": "1", "method": "GET", "pattern": "/x", "scopes": "", "minimum_trust": "0", "unmapped": "allow"}
    assert globex.post(address(gateway), body).status_code == 404
    assert (stored(gateway), gateway.unmapped, events(gateway)) == ([], "deny", [])
