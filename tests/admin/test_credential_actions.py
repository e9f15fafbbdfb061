"""Buttons of a credential that rests: end its cooldown, try it at its provider; an auditor has neither."""

from __future__ import annotations

from django.test import Client

from authsvc.audit.models import AuditEvent
from profiles.models import Profile
from tests.fake_provider import fake_provider
from tests.world import World

VALUE = "button-secret-000000000001"


def test_admin_clears_a_cooldown_and_probes(world: World, acme: Client, auditor: Client) -> None:
    api = world.prod.api()
    body = {"provider": "button-llm", "kind": "api_key", "value": VALUE}
    profile_id = api.post("/profiles", body).json()["id"]
    page = f"/admin/profiles/profile/{profile_id}"
    api.post("/credentials/report", {"outcome": "failure", "profile_id": profile_id, "reason": "billing"})
    assert auditor.post(f"{page}/do/clear-cooldown/").status_code in {403, 404}
    assert acme.post(f"{page}/do/clear-cooldown/").status_code == 302
    assert "disabledUntil" not in Profile.unscoped.get(id=profile_id).usage
    with fake_provider() as provider:
        api.send("PUT", "/providers/button-llm", {"probe_url": provider.url})
        provider.probe = (402, "payment required")
        told = acme.post(f"{page}/do/probe/", follow=True).content.decode()
    assert "was refused by its provider: billing" in told
    assert VALUE not in told
    events = AuditEvent.objects.filter(event_type__in=["usage.cooldown_cleared", "credential.probed"])
    assert {event.actor_kind for event in events} == {"operator"}
