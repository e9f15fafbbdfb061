"""Operators: the second factor before the door, memberships, passwords and sessions."""

from __future__ import annotations

import re
import time
from base64 import b32decode, b32encode, b64encode
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client
from django_otp.oath import TOTP

from authsvc.audit.models import AuditEvent
from authsvc.operators.factors import rewrap_factor_keys
from authsvc.operators.models import Authenticator, OperatorSession, RecoveryCode, RecoveryCodes
from authsvc.operators.sealing import open_factor_key
from authsvc.tenants.models import Membership, Operator, Tenant
from authsvc.tenants.services import system_caller
from authsvc.vault.envelope import SealBroken
from tests.admin.conftest import SignedIn, prove
from tests.qr_reader import read_page
from tests.world import World

SHOWN = re.compile(r'id="shown-secret"[^>]*>([^<]+)<')
SET_UP = "/admin/second-factor/"
VERIFY = "/admin/verify/"


def code_now(key: bytes) -> str:
    """Return the code an authenticator with this key shows now."""
    totp = TOTP(key)
    totp.time = time.time()
    return f"{totp.token():06d}"


def set_up(client: Client) -> tuple[bytes, list[str]]:
    """Set up a second factor; returns its key and the recovery codes."""
    shown = SHOWN.search(client.post(SET_UP, {"start": "1"}).content.decode())
    assert shown
    text = shown[1].replace(" ", "")
    key = b32decode(text + "=" * (-len(text) % 8))
    codes = SHOWN.search(client.post(SET_UP, {"code": code_now(key), "confirm": "1"}).content.decode())
    assert codes
    return key, codes[1].split()


def forget_last_code() -> None:
    """Let the code of this half minute be used again."""
    Authenticator.objects.update(last_step=-1)


def test_key_is_shown_as_a_picture_that_authenticators_read(world: World, acme: Client) -> None:
    page = acme.post(SET_UP, {"start": "1"}).content.decode()
    text, label = read_page(page)
    shown = SHOWN.search(page)
    assert shown
    assert text == f"otpauth://totp/authsvc:acme?secret={shown[1].replace(' ', '')}&issuer=authsvc"
    assert label == "Scan this with your authenticator app"
    assert page.count("data-secret") == 2
    assert 'class="qr"' not in acme.post(SET_UP, {"code": "000000", "confirm": "1"}).content.decode()


def test_name_too_long_for_a_picture_leaves_the_key(world: World, acme: Client) -> None:
    Operator.objects.filter(username="acme").update(username="é" * 150)
    page = acme.post(SET_UP, {"start": "1"}).content.decode()
    assert SHOWN.search(page)
    assert 'class="qr"' not in page


def test_factor_is_asked_after_the_password_from_then_on(world: World, acme: Client, signed_in: SignedIn) -> None:
    key, codes = set_up(acme)
    assert len(codes) == 10
    assert acme.get("/admin/").status_code == 200
    fresh = signed_in("acme")
    assert fresh.get("/admin/", follow=True).redirect_chain[-1][0] == VERIFY
    assert fresh.get("/admin/devices/device/").status_code == 302
    assert "not valid" in fresh.post(VERIFY, {"factor_code": "000000"}).content.decode()
    assert fresh.get("/admin/").status_code == 302
    forget_last_code()
    Authenticator.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    fresh.post(VERIFY, {"factor_code": code_now(key)})
    assert fresh.get("/admin/").status_code == 200


def test_recovery_code_works_once(world: World, acme: Client, signed_in: SignedIn) -> None:
    _, codes = set_up(acme)
    for status in (200, 302):
        client = signed_in("acme")
        client.post(VERIFY, {"factor_code": codes[0]})
        assert client.get("/admin/").status_code == status


def test_second_guess_in_a_row_is_slowed(world: World, acme: Client, signed_in: SignedIn) -> None:
    key, _ = set_up(acme)
    client = signed_in("acme")
    client.post(VERIFY, {"factor_code": "000000"})
    forget_last_code()
    client.post(VERIFY, {"factor_code": code_now(key)})
    assert client.get("/admin/").status_code == 302
    assert AuditEvent.objects.filter(event_type="operator.second_factor_failed").count() == 2


def test_wrong_first_code_confirms_nothing(world: World, acme: Client, signed_in: SignedIn) -> None:
    acme.post(SET_UP, {"start": "1"})
    acme.post(SET_UP, {"code": "000000", "confirm": "1"})
    assert not Authenticator.objects.filter(confirmed=True).exists()
    assert signed_in("acme").get("/admin/").status_code == 200


def test_tenant_that_requires_a_factor_lets_nobody_in_without(world: World, acme: Client, globex: Client) -> None:
    tenant = Tenant.objects.get(slug="acme")
    acme.post(f"/admin/authsvc/tenant/{tenant.id}/do/require-mfa/")
    assert AuditEvent.objects.filter(event_type="tenant.updated", tenant_id=tenant.id).exists()
    assert acme.get("/admin/", follow=True).redirect_chain[-1][0] == SET_UP
    assert acme.get("/admin/devices/device/").status_code == 302
    assert globex.get("/admin/").status_code == 200
    set_up(acme)
    assert acme.get("/admin/").status_code == 200


def test_factor_cannot_be_replaced_without_having_shown_it(world: World, acme: Client, signed_in: SignedIn) -> None:
    set_up(acme)
    fresh = signed_in("acme")
    for body in ({"start": "1"}, {"remove": "1", "code": "1"}, {"add_passkey": "1"}, {"remove_passkey": "1"}):
        assert fresh.post(SET_UP, body).headers["Location"] == VERIFY
    assert Authenticator.objects.filter(confirmed=True).count() == 1


def test_factor_is_removed_with_a_code(world: World, acme: Client) -> None:
    _, codes = set_up(acme)
    acme.post(SET_UP, {"remove": "1", "code": codes[1]})
    assert not Authenticator.objects.exists()


def test_pages_of_the_factor_are_closed_to_strangers(world: World) -> None:
    for url in (VERIFY, SET_UP):
        assert Client().get(url).status_code == 404


def test_neither_key_nor_codes_are_stored_in_clear(
    world: World, acme: Client, caplog: pytest.LogCaptureFixture
) -> None:
    key, codes = set_up(acme)
    factor = Authenticator.objects.get()
    assert factor.sealed_key.startswith("v1.")
    kept = [
        *(str(list(model._default_manager.values())) for model in apps.get_models()),
        *(str(row.get_decoded()) for row in OperatorSession.objects.all()),
        caplog.text,
        acme.get(SET_UP).content.decode(),
    ]
    codes = [code.replace("-", "") for code in codes] + codes
    spellings = [b32encode(key).decode(), b64encode(key).decode(), key.hex(), repr(key)[2:-1], *codes]
    assert [word for word in spellings for text in kept if word in text] == []
    assert RecoveryCode.objects.count() == 10


def test_recovery_codes_are_renewed_by_who_has_a_fresh_factor(world: World, acme: Client, signed_in: SignedIn) -> None:
    assert "shown-secret" not in acme.post(SET_UP, {"renew_codes": "1"}).content.decode()
    _, old = set_up(acme)
    assert "10 of 10 are left" in acme.get(SET_UP).content.decode()
    shown = SHOWN.search(acme.post(SET_UP, {"renew_codes": "1"}).content.decode())
    assert shown
    for code, status in ((old[0], 302), (shown[1].split()[0], 200)):
        client = signed_in("acme")
        client.post(VERIFY, {"factor_code": code})
        assert client.get("/admin/").status_code == status
        RecoveryCodes.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


def test_sealed_key_opens_for_its_operator_alone(world: World, acme: Client) -> None:
    set_up(acme)
    sealed = Authenticator.objects.get().sealed_key
    with pytest.raises(SealBroken):
        open_factor_key(Operator.objects.get(username="globex").id, sealed)


def test_key_is_sealed_again_under_a_new_primary_key(world: World, acme: Client, settings: Any, now: datetime) -> None:
    key, _ = set_up(acme)
    old = settings.AUTHSVC_KEKS
    settings.AUTHSVC_KEKS = f"later:{b64encode(bytes(range(100, 132))).decode()},{old}"
    call_command("vault", "rewrap")
    settings.AUTHSVC_KEKS = settings.AUTHSVC_KEKS.partition(",")[0]
    factor = Authenticator.objects.get()
    assert open_factor_key(factor.user_id, factor.sealed_key) == key
    assert list(rewrap_factor_keys(system_caller(), now=now)) == []


def test_platform_sets_a_password_and_ends_sessions(world: World, platform: Client, acme: Client) -> None:
    operator = Operator.objects.get(username="acme")
    url = f"/admin/authsvc/operator/{operator.id}/do"
    assert "until" in platform.get(f"/admin/authsvc/operator/{operator.id}/change/").content.decode()
    platform.post(f"{url}/sign-out/")
    assert acme.get("/admin/").status_code == 302
    prove(platform).post(f"{url}/password/", {"password": "correct horse battery"})
    body = {"username": "acme", "password": "correct horse battery"}
    assert Client().post("/admin/login/", body).status_code == 302
    assert "correct horse" not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


@pytest.mark.parametrize("action", ["password", "remove-factor", "disable", "enable"])
def test_tenant_owner_acts_on_no_operator(world: World, acme: Client, action: str) -> None:
    for name in ("acme", "acme-auditor"):
        operator = Operator.objects.get(username=name)
        body = {"password": "correct horse battery"}
        assert acme.post(f"/admin/authsvc/operator/{operator.id}/do/{action}/", body).status_code == 404


def test_owner_changes_and_removes_a_membership_of_its_tenant(world: World, acme: Client, signed_in: SignedIn) -> None:
    row = Membership.unscoped.get(operator__username="acme-auditor")
    acme.post(f"/admin/authsvc/membership/{row.pk}/do/change-role/", {"role": "approver"})
    row.refresh_from_db()
    assert row.role == "approver"
    acme.post(f"/admin/authsvc/membership/{row.pk}/do/remove/")
    assert not Membership.unscoped.filter(pk=row.pk).exists()
    assert signed_in("acme-auditor").get("/admin/").status_code == 302


def test_last_owner_stays(world: World, acme: Client) -> None:
    row = Membership.unscoped.get(operator__username="acme")
    acme.post(f"/admin/authsvc/membership/{row.pk}/do/remove/")
    acme.post(f"/admin/authsvc/membership/{row.pk}/do/change-role/", {"role": "auditor"})
    row.refresh_from_db()
    assert row.role == "owner"
