"""The first request through every floor: a token, a credential, a decision."""

from __future__ import annotations

import base64
import json

from tests.world import Api, World


def test_token_for_client_credentials_opens_the_api(world: World) -> None:
    api = Api(world.prod.access_token())
    answer = api.get("/me")
    assert answer.status_code == 200
    assert answer.json()["tenant"] == "acme"
    assert answer.json()["scopes"] == ["authsvc:admin"]


def test_resolve_with_api_key_returns_the_stored_value(world: World) -> None:
    answer = world.prod.api().post("/credentials/resolve", {"provider": "anthropic"})
    assert answer.status_code == 200
    assert answer.json()["value"].startswith("sk-ant-api03-DEMO-")


def test_decide_about_own_key_allows(world: World) -> None:
    body = {"token": world.prod.api_key, "scope": "credentials:resolve"}
    answer = world.prod.api().post("/decide", body)
    assert answer.status_code == 200
    assert answer.json()["allowed"] is True


def test_me_says_what_the_token_says(world: World) -> None:
    token = world.prod.access_token(scope="profiles:read audit:read")
    body = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    me = Api(token).get("/me").json()
    same = {"principal_id": "sub", "tenant": "tenant", "environment": "env", "scopes": "scopes"}
    same |= {"trust_level": "trust_level", "token_id": "jti", "audience": "aud"}
    assert {name: me[name] for name in same} == {name: said[claim] for name, claim in same.items()}
