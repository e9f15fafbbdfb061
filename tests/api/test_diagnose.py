"""Why a token is refused: the failing check by name, the same words as for a made-up one from elsewhere, no trace."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.management import call_command
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Operator, Principal
from authsvc.tokens.compact import decode
from authsvc.tokens.keys import active_key, retire_key
from tests.services.forge import Forge, b64
from tests.world import World

ORDER = ["shape", "key", "signature", "claims", "audience", "revocation", "principal"]


@pytest.fixture
def forge(world: World) -> Forge:
    return Forge(world)


def ask(world: World, token: str, **fields: str) -> dict[str, Any]:
    answer = world.prod.api().post("/tokens/diagnose", {"token": token, **fields})
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    document: dict[str, Any] = answer.json()
    return document


def failing(world: World, token: str, **fields: str) -> tuple[str, str]:
    """Return name and sentence of the check that fails; the ones before it passed, in their order."""
    document = ask(world, token, **fields)
    *passed, last = document["checks"]
    assert not document["accepted"]
    assert all(check["passed"] for check in passed)
    assert not last["passed"]
    assert [check["name"] for check in document["checks"]] == ORDER[: len(document["checks"])]
    return last["name"], last["detail"]


def test_good_token_passes_every_check(world: World, forge: Forge) -> None:
    for token in (world.prod.access_token(), forge.sign()):
        document = ask(world, token)
        assert (document["accepted"], [check["name"] for check in document["checks"]]) == (True, ORDER)


def test_each_check_can_fail_and_names_itself(world: World, forge: Forge) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = forge.sign().rpartition(".")[0]
    foreign_signature = f"{signed}.{b64(own.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"
    past = {"exp": 1_600_000_600, "iat": 1_600_000_000, "nbf": 1_600_000_000}
    assert failing(world, "x.y.z")[0] == "shape"
    assert failing(world, forge.sign(header=forge.header(kid="unknown")))[0] == "key"
    assert failing(world, forge.sign(header=forge.header(alg="PS256")))[0] == "signature"
    name, sentence = failing(world, foreign_signature)
    assert (name, "thumbprint" in sentence) == ("signature", True)
    assert failing(world, forge.sign(forge.claims(**past))) == (
        "claims",
        "exp: the token has expired, or claims a life beyond the cap.",
    )
    assert failing(world, forge.sign(forge.claims(iss="http://elsewhere")))[1].startswith("iss ")
    assert failing(world, forge.sign(forge.without("sub")))[1] == "sub is missing or malformed."
    assert failing(world, forge.sign(forge.claims(aud="other")))[0] == "audience"
    assert failing(world, forge.sign(), gateway=world.prod.gateway["id"])[0] == "audience"


def test_revoked_token_and_disabled_principal_are_told_apart(world: World, forge: Forge) -> None:
    token = world.prod.access_token()
    jti = json.loads(decode(token.split(".")[1]))["jti"]
    world.prod.api().send("DELETE", f"/tokens/{jti}")
    assert failing(world, token)[0] == "revocation"
    reader = world.prod.reader["client_id"]
    Principal.objects.for_environment(world.prod.caller()).filter(id=reader).update(state="disabled")
    assert failing(world, forge.sign(forge.claims(sub=reader)))[0] == "principal"


def test_retired_key_says_so(world: World, now: datetime) -> None:
    token = world.prod.access_token()
    retire_key(world.prod.caller(), key=active_key(world.prod.caller(), now=now), reason="test", now=now)
    assert "retired" in failing(world, token)[1]


@pytest.mark.parametrize("place", ["acme/dev", "globex/prod"])
def test_token_of_another_environment_is_as_unknown_as_a_made_up_one(world: World, forge: Forge, place: str) -> None:
    made_up = failing(world, forge.sign(header=forge.header(kid="unknown")))
    assert failing(world, world.place(place).access_token()) == made_up
    made_up_key = ask(world, world.prod.api_key[:-1] + "!")
    assert made_up_key["checks"][-1]["name"] == "shape"
    assert ask(world, world.place(place).api_key)["checks"][-1]["name"] == "key"


def test_opaque_proofs_are_checked_up_to_their_secret(world: World) -> None:
    assert ask(world, world.prod.api_key)["accepted"]
    path = f"/service-accounts/{world.prod.client_id}/keys/{world.prod.ids['api_key']}"
    other = world.prod.api().post(f"/service-accounts/{world.prod.client_id}/keys", {"name": "n"}).json()
    assert world.prod.api().send("DELETE", f"{path.rpartition('/')[0]}/{other['id']}", {}).status_code == 204
    assert ask(world, other["secret"])["checks"][-1] == {
        "name": "revocation",
        "passed": False,
        "detail": "The key was revoked.",
    }


def test_nothing_of_the_token_is_answered_logged_or_audited(
    world: World, forge: Forge, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = "canary7f3a9c"
    token = forge.sign(forge.claims(iss=f"http://{canary}", jti=canary, client_id=canary))
    before = AuditEvent.objects.count()
    answer = world.prod.api().post("/tokens/diagnose", {"token": token})
    shown = answer.content.decode() + caplog.text + "".join(capfd.readouterr())
    assert canary not in shown
    assert token[:40] not in shown
    assert AuditEvent.objects.count() == before


def test_admin_page_names_the_failing_check(world: World, forge: Forge) -> None:
    client = Client()
    client.force_login(Operator.objects.get(username="acme"))
    token = forge.sign(forge.claims(aud="other"))
    fields = {"environment": world.prod.environment().id, "token": token, "scope": "profiles:read"}
    page = client.post("/admin/authsvc/issuedtoken/explain/", fields).content.decode()
    assert "What the verifier found" in page
    assert "ask for it with audience=authsvc" in page
    fields["token"] = world.prod.api_key
    assert "What the verifier found" not in client.post("/admin/authsvc/issuedtoken/explain/", fields).content.decode()


def test_command_reads_the_token_from_standard_input(
    world: World, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = StringIO()
    monkeypatch.setattr("sys.stdin", StringIO(forge.sign(forge.claims(aud="other")) + "\n"))
    call_command("tokens", "diagnose", "--tenant", "acme", "--env", "prod", stdout=output)
    assert "FAIL audience: The token is not for authsvc" in output.getvalue()
