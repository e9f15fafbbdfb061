"""Ready text per gateway: it parses, it checks audience and issuer, and it holds no secret."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.world import Api, Place, World


def snippets(place: Place, gateway_id: str = "") -> dict[str, dict[str, str]]:
    answer = place.api().get(f"/gateways/{gateway_id or place.gateway['id']}/snippets")
    assert answer.status_code == 200
    return {snippet["name"]: snippet for snippet in answer.json()["snippets"]}


def test_snippets_name_audience_issuer_and_the_cryptography_note(world: World) -> None:
    texts = snippets(world.prod)
    assert list(texts) == ["agentos", "env", "curl", "authlib", "pyjwt", "nginx"]
    agentos = texts["agentos"]
    assert "verify_audience=True" in agentos["text"]
    assert f'issuer="{world.prod.issuer}"' in agentos["text"]
    assert f'id="{world.prod.gateway["audience"]}"' in agentos["text"]
    assert "cryptography" in agentos["note"]
    assert all(world.prod.gateway["token"] not in text["text"] for text in texts.values())


def test_one_static_key_is_offered_in_development_alone(world: World) -> None:
    shown = snippets(world.dev)["security-key"]
    assert shown["text"].startswith("export OS_SECURITY_KEY=")
    assert "development" in shown["note"]
    assert world.dev.gateway["token"] not in shown["text"]
    other = world.dev.api().post("/gateways", {"name": "No AgentOS", "kind": "generic"}).json()["id"]
    assert "security-key" not in snippets(world.dev, other)
    assert "security-key" not in snippets(world.prod)


@pytest.mark.parametrize("name", ["agentos", "authlib", "pyjwt"])
def test_python_snippets_are_python(world: World, name: str) -> None:
    assert ast.parse(snippets(world.prod)[name]["text"]).body


def test_odd_gateway_values_stay_inside_their_quotes(world: World) -> None:
    created = world.prod.api().post(
        "/gateways", {"name": "Odd", "kind": "agno", "admin_scope": "odd'name:admin", "algorithm": "ES256"}
    )
    assert created.status_code == 201
    texts = snippets(world.prod, created.json()["id"])
    for name in ("agentos", "authlib", "pyjwt"):
        assert ast.parse(texts[name]["text"]).body
    assert 'algorithms=["ES256"]' in texts["pyjwt"]["text"]


def test_agentos_snippet_fits_the_installed_agno(world: World) -> None:
    from agno.os import Authorization

    tree = ast.parse(snippets(world.prod)["agentos"]["text"])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    call = next(node for node in calls if getattr(node.func, "id", "") == "Authorization")
    options: dict[str, Any] = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    assert Authorization(**options) is not None


def test_pyjwt_options_accept_our_token(world: World) -> None:
    place = world.prod
    token = place.access_token(audience=place.gateway["audience"])
    keys = jwt.PyJWKSet.from_dict(Api().get(place.path("/.well-known/jwks.json")).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    required = {"require": ["exp", "iat", "iss", "aud", "sub", "jti"]}
    claims = jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=place.gateway["audience"],
        issuer=place.issuer,
        options=required,  # type: ignore[arg-type]
    )
    assert claims["sub"] == place.client_id


def test_snippets_refuse_nobody_the_reader_and_foreigners(world: World) -> None:
    path = f"/gateways/{world.prod.gateway['id']}/snippets"
    assert Api().get(path).status_code == 401
    assert Api(world.prod.access_token(**world.prod.reader)).get(path).status_code == 403
    for other in (world.dev, world.foreign):
        assert other.api().get(path).status_code == 404


@pytest.mark.parametrize(
    ("variable", "path"), [("JWT_JWKS_FILE", ".well-known/jwks.json"), ("JWT_VERIFICATION_KEY", "jwks.pem")]
)
def test_agentos_accepts_our_tokens_with_the_env_line_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, path: str
) -> None:
    from agno.os import AgentOS, Authorization
    from fastapi.testclient import TestClient

    from tests.compat.agentos_app import make_agents

    place = world.prod
    assert variable in snippets(place)["env"]["text"]
    place.api().post("/keys/rotate", {})  # a next key is published too
    published, file = Api().client.get(place.path(f"/{path}")).content.decode(), tmp_path / "jwks.json"
    file.write_text(published)
    monkeypatch.setenv(variable, str(file) if variable == "JWT_JWKS_FILE" else published)
    audience = place.gateway["audience"]
    checks = Authorization(audience=audience, verify_audience=True, issuer=place.issuer)
    system = AgentOS(id=audience, agents=make_agents("agent-1", "agent-2"), telemetry=False, authorization=checks)
    gateway = TestClient(system.get_app())
    token = place.access_token(audience=audience, scope="agents:agent-1:read")
    listed = gateway.get("/agents", headers={"Authorization": f"Bearer {token}"})
    assert [agent["id"] for agent in listed.json()] == ["agent-1"]
    assert gateway.get("/agents", headers={"Authorization": f"Bearer {place.access_token()}"}).status_code == 401
