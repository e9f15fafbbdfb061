"""Members and invitations over the API: with an administrator's token of prod, and never about owners."""

from __future__ import annotations

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Membership, Operator
from tests.world import Api, World


def auditor_id() -> str:
    return str(Operator.objects.get(username="acme-auditor").pk)


def test_members_are_listed_and_changed(world: World) -> None:
    api = world.prod.api()
    listed = api.get("/members").json()
    assert {(row["username"], row["role"]) for row in listed["results"]} >= {
        ("acme", "owner"),
        ("acme-auditor", "auditor"),
    }
    assert "globex" not in str(listed)
    changed = api.send("PATCH", f"/members/{auditor_id()}", {"role": "approver"})
    assert (changed.status_code, changed.json()["role"]) == (200, "approver")
    assert api.post(f"/members/{auditor_id()}/sign-out").json() == {"ended": 0}
    assert api.send("DELETE", f"/members/{auditor_id()}").status_code == 204
    assert api.get(f"/members/{auditor_id()}").status_code == 404
    events = set(AuditEvent.objects.values_list("event_type", flat=True))
    assert {"membership.changed", "membership.removed", "operator.sessions_ended"} <= events


def test_token_names_and_removes_no_owner(world: World) -> None:
    api, owner = world.prod.api(), Operator.objects.get(username="acme").pk
    refused = [
        api.send("PATCH", f"/members/{auditor_id()}", {"role": "owner"}),
        api.send("PATCH", f"/members/{owner}", {"role": "auditor"}),
        api.send("DELETE", f"/members/{owner}"),
        api.post("/invitations", {"invited": "eve", "role": "owner"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert Membership.unscoped.get(operator=owner).role == "owner"


def test_invitation_shows_its_link_once_and_is_withdrawn(world: World) -> None:
    api = world.prod.api()
    made = api.post("/invitations", {"invited": "eve@acme.example", "role": "auditor"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert made.json()["link"].startswith("http://testserver/admin/join/")
    path = f"/invitations/{made.json()['id']}"
    assert "link" not in api.get(path).json()
    assert made.json()["link"] not in str(api.get("/invitations").json())
    assert api.send("DELETE", path).status_code == 204
    assert api.send("DELETE", path).json()["code"] == "invitation_over"


def test_other_environment_and_lesser_scope_are_refused(world: World) -> None:
    reader = world.prod.access_token(
        client_id=world.prod.reader["client_id"], client_secret=world.prod.reader["client_secret"]
    )
    for api, status in ((world.dev.api(), 403), (Api(reader), 403), (Api(), 401)):
        assert api.get("/members").status_code == status
        assert api.post("/invitations", {"invited": "eve", "role": "auditor"}).status_code == status
        assert api.get(f"/members/{auditor_id()}").content == api.get("/members/opr_missing").content


def test_bad_input_is_named(world: World) -> None:
    answer = world.prod.api().post("/invitations", {"invited": "", "role": "king", "tenant": "globex"})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() >= {"tenant"}
