"""What the compatibility suites share: somebody who asks the live server for tokens, as any client would."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.compat.approver import Approver
from tests.live import CERTIFICATES, LiveServer


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One environment of the live server's demo, spoken to over HTTP alone."""

    document: dict[str, Any]
    base_url: str

    @property
    def issuer(self) -> str:
        """Return the issuer: the one address a client is given."""
        return str(self.document["issuer"])

    @property
    def audience(self) -> str:
        """Return the demo gateway's audience: the id of its AgentOS."""
        return str(self.document["gateway"]["audience"])

    @property
    def credentials(self) -> tuple[str, str]:
        """Return client id and secret."""
        return str(self.document["client_id"]), str(self.document["client_secret"])

    def token(self, scope: str, audience: str | None = None) -> str:
        """Return an access token with just this scope, for the demo gateway unless told otherwise."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "audience": self.audience if audience is None else audience,
        }
        answer = httpx.post(f"{self.issuer}/oauth/token", data=form, auth=self.credentials, verify=CERTIFICATES)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def register_gateway(self, name: str, *, algorithm: str = "RS256") -> str:
        """Register an AgentOS on which the demo client may read every agent; return its audience."""
        name = f"{name} {secrets.token_hex(4)}"
        gateway = self.api("/gateways", {"name": name, "kind": "agno", "algorithm": algorithm})
        role = self.api("/roles", {"name": f"Reads {name}", "scopes": ["agents:read"]})
        grant = {"principal_id": self.document["client_id"], "role_id": role["id"], "gateway_id": gateway["id"]}
        self.api("/grants", {**grant, "reason": "compatibility test"})
        return str(gateway["audience"])

    def api(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST to the API with the administrator's key."""
        headers = {"Authorization": f"Bearer {self.document['api_key']}"}
        answer = httpx.post(f"{self.base_url}/api/v1{path}", json=body, headers=headers, verify=CERTIFICATES)
        assert answer.status_code in {200, 201}, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture(scope="session")
def prod(live: LiveServer) -> Tenancy:
    """Return acme/prod of the live server."""
    return Tenancy(live.place("acme/prod"), live.base_url)


@pytest.fixture(scope="session")
def dev(live: LiveServer) -> Tenancy:
    """Return acme/dev of the live server."""
    return Tenancy(live.place("acme/dev"), live.base_url)


@pytest.fixture(scope="session")
def approver(live: LiveServer) -> Iterator[Approver]:
    """Yield somebody who approves devices in a real browser."""
    person = Approver(live)
    yield person
    person.close()
