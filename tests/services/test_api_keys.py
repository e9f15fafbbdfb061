"""Long opaque proofs: stored as keyed hashes, refused before any query, rotated with an overlap, ended at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Principal
from authsvc.tokens.api_keys import IssuedKey, get_api_key, issue_api_key, revoke_api_key, rotate_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType, generate
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.tokens.opaque import verify_opaque
from authsvc.web.problems import NotFound, ValidationFailed
from tests.world import World


def issue(world: World, now: datetime, **options: Any) -> IssuedKey:
    caller = world.prod.caller()
    principal = Principal.objects.for_environment(caller).get(id=world.prod.client_id)
    kind = options.pop("kind", ApiKeyKind.API_KEY)
    return issue_api_key(caller, principal=principal, kind=kind, name="test", now=now, **options)


def require_refused(text: str, now: datetime, address: str = "") -> None:
    with pytest.raises(TokenRefused):
        verify_opaque(text, address=address, now=now)


@pytest.mark.parametrize("kind", ApiKeyKind)
def test_issued_key_verifies_and_its_text_is_stored_nowhere(world: World, now: datetime, kind: ApiKeyKind) -> None:
    issued = issue(world, now, kind=kind)
    text = issued.text.reveal()
    assert verify_opaque(text, address="", now=now).id == issued.key.id
    row = ApiKey.unscoped.filter(id=issued.key.id).values().get()
    assert text not in repr(row)
    assert text.rpartition("_")[2] not in repr(row)
    event = AuditEvent.objects.get(event_type="api_key.issued", subject_id=issued.key.id)
    assert text.rpartition("_")[2] not in repr(event.detail)


def test_malformed_keys_are_refused_without_a_query(
    world: World, now: datetime, django_assert_num_queries: Any
) -> None:
    text = issue(world, now).text.reveal()
    with django_assert_num_queries(0):
        for bad in ("", "ask_", text[:-1], text[:-1] + ("0" if text[-1] != "0" else "1"), text.upper(), text + "\n"):
            require_refused(bad, now)


def test_well_formed_keys_nobody_issued_are_refused(world: World, now: datetime) -> None:
    issued = issue(world, now)
    ours = issued.key.id.removeprefix("key_")
    for token_type, environment, token_id in (
        (TokenType.API_KEY, "prod", None),
        (TokenType.API_KEY, "prod", ours),
        (TokenType.API_KEY, "dev", ours),
        (TokenType.GATEWAY_TOKEN, "prod", ours),
    ):
        require_refused(generate(token_type, environment, token_id).text.reveal(), now)


def test_key_expires_at_its_moment(world: World, now: datetime) -> None:
    text = issue(world, now, expires_at=now + timedelta(hours=1)).text.reveal()
    assert verify_opaque(text, address="", now=now + timedelta(seconds=3599))
    require_refused(text, now + timedelta(hours=1))


@pytest.mark.parametrize("days", [0, -1, 366])
def test_issue_with_an_end_outside_a_year_is_refused(world: World, now: datetime, days: int) -> None:
    with pytest.raises(ValidationFailed) as caught:
        issue(world, now, expires_at=now + timedelta(days=days))
    assert "expires_at" in caught.value.errors


def test_rotated_key_works_beside_the_old_one_until_the_overlap_ends(world: World, now: datetime) -> None:
    old = issue(world, now)
    new = rotate_api_key(world.prod.caller(), key=old.key, overlap_seconds=60, now=now)
    assert new.key.id == old.key.id
    for text in (old.text.reveal(), new.text.reveal()):
        assert verify_opaque(text, address="", now=now + timedelta(seconds=59)).id == old.key.id
    require_refused(old.text.reveal(), now + timedelta(seconds=60))
    assert verify_opaque(new.text.reveal(), address="", now=now + timedelta(seconds=60))
    third = rotate_api_key(world.prod.caller(), key=old.key, overlap_seconds=0, now=now)
    require_refused(new.text.reveal(), now)
    assert verify_opaque(third.text.reveal(), address="", now=now)


def test_revoked_key_is_refused_with_its_overlap_at_once(world: World, now: datetime) -> None:
    old = issue(world, now)
    new = rotate_api_key(world.prod.caller(), key=old.key, overlap_seconds=600, now=now)
    assert revoke_api_key(world.prod.caller(), key=old.key, reason="test", now=now) is True
    assert revoke_api_key(world.prod.caller(), key=old.key, reason="test", now=now) is False
    require_refused(old.text.reveal(), now)
    require_refused(new.text.reveal(), now)
    assert AuditEvent.objects.filter(event_type="api_key.revoked", subject_id=old.key.id).count() == 1


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("2001:db8::7", True), ("11.0.0.1", False), ("", False), ("x", False), ("::1", False)],
)
def test_key_with_ranges_works_from_inside_alone(world: World, now: datetime, address: str, allowed: bool) -> None:
    text = issue(world, now, address_ranges=["10.0.0.0/8", "2001:db8::/32"]).text.reveal()
    if allowed:
        assert verify_opaque(text, address=address, now=now)
    else:
        require_refused(text, now, address)


@pytest.mark.parametrize("text", ["", "x", "10.0.0.0/99", "10.0.0.0/8; drop"])
def test_issue_with_a_bad_range_is_refused(world: World, now: datetime, text: str) -> None:
    with pytest.raises(ValidationFailed):
        issue(world, now, address_ranges=[text])


@pytest.mark.parametrize("place", ["acme/dev", "globex/prod"])
def test_key_of_another_place_is_not_found_revoked_or_rotated(world: World, now: datetime, place: str) -> None:
    issued = issue(world, now)
    other = world.place(place).caller()
    with pytest.raises(NotFound):
        get_api_key(other, issued.key.id)
    assert revoke_api_key(other, key=issued.key, reason="test", now=now) is False
    with pytest.raises(ApiKey.DoesNotExist):
        rotate_api_key(other, key=issued.key, overlap_seconds=0, now=now)
    assert verify_opaque(issued.text.reveal(), address="", now=now)


def test_last_use_is_stamped_once_a_minute(world: World, now: datetime, django_assert_num_queries: Any) -> None:
    issued = issue(world, now)
    text = issued.text.reveal()
    verify_opaque(text, address="", now=now)
    with django_assert_num_queries(0):
        verify_opaque(text, address="", now=now + timedelta(seconds=59))
    verify_opaque(text, address="", now=now + timedelta(seconds=61))
    assert ApiKey.unscoped.get(id=issued.key.id).last_used_at == now + timedelta(seconds=61)
