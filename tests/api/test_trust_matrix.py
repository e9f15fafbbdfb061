"""What a device's trust opens: every level, environment, minimum of a profile and of a route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from authsvc.gate.decide import Question, decide
from devices.models import Device
from devices.services.policy import set_policy
from profiles.models import Profile
from rbac.models import Gateway
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant
from rbac.services.routes import set_routes
from tests.scale import scaled
from tests.world import Api, Place, World

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
# The built-in ceiling of the lowest level opens neither; here the minimum alone shall decide.
OPEN = {"own": ["credentials:resolve"], "gateway_actions": ["read"]}
# Every pair; the first four name each minimum of either kind once.
MINIMUMS = [(profile, (profile + shift) % 4) for shift in range(4) for profile in range(4)]


@dataclass(frozen=True)
class Held:
    """What one device holds at one level: a token for us and one for its gateway; nothing at level 0."""

    place: Place
    gateway: Gateway
    ours: str
    theirs: str

    def resolves(self) -> int:
        return int(Api(self.ours).post("/credentials/resolve", {"provider": "anthropic"}).status_code)

    def passes(self) -> int:
        path = self.place.path(f"/gateways/{self.gateway.id}/forward-auth/reports")
        headers = {"Authorization": f"Bearer {self.theirs}"} if self.theirs else {}
        return int(Client().get(path, headers=headers, RAW_URI=path).status_code)

    def decided(self) -> str:
        question = Question(self.theirs, gateway_id=self.gateway.id, method="GET", path="/reports")
        return decide(self.place.caller(), question, now=datetime.now(UTC)).reason.code


def held_at(place: Place, level: int, now: datetime) -> Held:
    """Return the demo device of a place at this level, with everything but trust in its favour."""
    caller = place.caller()
    gateway = get_gateway(caller, place.gateway["id"])
    if level == 0:
        return Held(place, gateway, "", "")
    set_policy(caller, changes={"ceilings": {str(number): OPEN for number in (1, 2, 3)}}, now=now)
    device = Device.unscoped.select_related("principal").get(id=place.device["id"])
    create_grant(caller, principal=device.principal, scopes=["agents:read"], gateway=gateway, now=now)
    Device.unscoped.filter(id=device.id).update(trust_level=level)
    secret = place.device["secret"]
    ours = Api().post(f"/devices/{device.id}/authenticate", {"secret": secret}).json()["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": secret, "subject_token_type": ACCESS}
    theirs: Any = place.form("/oauth/token", {**form, "audience": gateway.audience}).json()
    return Held(place, gateway, ours, theirs["access_token"])


@pytest.mark.parametrize("name", ["acme/prod", "acme/dev"])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_trust_opens_exactly_what_its_minimum_says(world: World, now: datetime, name: str, level: int) -> None:
    place = world.place(name)
    held = held_at(place, level, now)
    for profile_minimum, route_minimum in MINIMUMS[: scaled(4, 16)]:
        Profile.unscoped.filter(id=place.ids["profile"]).update(minimum_trust=profile_minimum)
        rule = {"method": "GET", "pattern": "/reports", "scopes": ["agents:read"], "minimum_trust": route_minimum}
        set_routes(place.caller(), gateway=held.gateway, rules=[rule], unmapped="deny", now=now)
        answers = (held.resolves() == 200, held.passes(), held.decided())
        if level == 0:
            assert answers == (False, 401, "invalid_token")
            continue
        passed = (200, "allowed") if level >= route_minimum else (403, "trust_too_low")
        assert answers == (level >= profile_minimum, *passed), (profile_minimum, route_minimum)
