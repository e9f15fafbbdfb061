"""The stored chain: whatever is changed below it, a checkpoint or the exported file tells."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authsvc.audit.chain import hash_event
from authsvc.audit.checkpoints import known_tenant_ids, message, public_key_text, sign_checkpoint, verify_tenant
from authsvc.audit.exported import export_lines, verify_lines
from authsvc.audit.models import AuditCheckpoint, AuditEvent, AuditHead
from authsvc.vault.envelope import encode
from tests.world import World


@pytest.fixture
def tenant_id(world: World) -> str:
    return world.prod.caller().tenant_id


def cut_tail(tenant_id: str, keep: int) -> None:
    """Do what somebody with the database can: drop the newest events and move the head back."""
    AuditEvent.objects.filter(tenant_id=tenant_id, sequence__gt=keep)._raw_delete("default")
    last = AuditEvent.objects.get(tenant_id=tenant_id, sequence=keep)
    AuditHead.objects.filter(tenant_id=tenant_id).update(sequence=keep, hash=last.hash)


def test_verify_of_the_stored_chain_is_intact_with_and_without_checkpoints(tenant_id: str, now: datetime) -> None:
    assert verify_tenant(tenant_id).intact
    assert sign_checkpoint(tenant_id, now=now) is not None
    assert sign_checkpoint(tenant_id, now=now) is None
    assert verify_tenant(tenant_id).intact


@pytest.mark.parametrize(
    "changes", [{"actor_id": "nobody"}, {"detail": {}}, {"address": "6.6.6.6"}, {"hash": "0" * 64}]
)
def test_verify_after_a_changed_row_names_it(tenant_id: str, changes: dict[str, object]) -> None:
    AuditEvent.objects.filter(tenant_id=tenant_id, sequence=3).update(**changes)
    verdict = verify_tenant(tenant_id)
    assert (verdict.intact, verdict.sequence) == (False, 3)


def test_verify_after_a_dropped_row_names_its_place(tenant_id: str) -> None:
    AuditEvent.objects.filter(tenant_id=tenant_id, sequence=4)._raw_delete("default")
    verdict = verify_tenant(tenant_id)
    assert (verdict.intact, verdict.sequence) == (False, 4)


def test_verify_after_a_cut_tail_is_told_by_the_checkpoint(tenant_id: str, now: datetime) -> None:
    checkpoint = sign_checkpoint(tenant_id, now=now)
    assert checkpoint is not None
    cut_tail(tenant_id, 5)
    verdict = verify_tenant(tenant_id)
    assert (verdict.intact, verdict.sequence) == (False, checkpoint.sequence)
    assert "ends before" in verdict.reason


def test_verify_after_everything_was_erased_still_knows_the_tenant(tenant_id: str, now: datetime) -> None:
    sign_checkpoint(tenant_id, now=now)
    AuditEvent.objects.filter(tenant_id=tenant_id)._raw_delete("default")
    AuditHead.objects.filter(tenant_id=tenant_id).delete()
    assert tenant_id in known_tenant_ids()
    assert not verify_tenant(tenant_id).intact


def test_verify_after_the_chain_was_rewritten_is_told_by_the_checkpoint(tenant_id: str, now: datetime) -> None:
    sign_checkpoint(tenant_id, now=now)
    last = AuditEvent.objects.filter(tenant_id=tenant_id).order_by("-sequence")[0]
    last.actor_id = "nobody"
    last.hash = hash_event(last.as_row())
    AuditEvent.objects.filter(id=last.id).update(actor_id=last.actor_id, hash=last.hash)
    AuditHead.objects.filter(tenant_id=tenant_id).update(hash=last.hash)
    assert "rewritten" in verify_tenant(tenant_id).reason


def test_verify_of_a_checkpoint_signed_by_another_key_is_refused(tenant_id: str, now: datetime) -> None:
    checkpoint = sign_checkpoint(tenant_id, now=now)
    assert checkpoint is not None
    forger = Ed25519PrivateKey.generate()
    forged = forger.sign(message(tenant_id, checkpoint.sequence, checkpoint.hash)).hex()
    public = encode(forger.public_key().public_bytes_raw()) + "="
    assert public != public_key_text()
    AuditCheckpoint.objects.filter(id=checkpoint.id).update(public_key=public, signature=forged)
    assert "signature" in verify_tenant(tenant_id).reason


def test_exported_file_verifies_alone_and_tells_of_any_change(tenant_id: str) -> None:
    lines = list(export_lines(tenant_id))
    assert verify_lines(lines).intact
    assert not verify_lines(lines[:-1]).intact
    assert not verify_lines(lines[:2] + lines[3:]).intact
    assert not verify_lines([lines[1], lines[0], *lines[2:]]).intact
    for index in range(0, len(lines) - 1, 7):
        row = json.loads(lines[index])
        changed = json.dumps({**row, "actor_id": row["actor_id"] + "x"})
        verdict = verify_lines([*lines[:index], changed, *lines[index + 1 :]])
        assert (verdict.intact, verdict.sequence) == (False, index + 1)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"head": null}',
        '{"head": {}}',
        '{"head": {"tenant_id": "x"}}',
        '{"head": {"tenant_id": "x", "sequence": 1, "hash": "y", "more": 1}}',
        '{"head": [1]}',
        '{"id": "evt_1"}',
    ],
)
def test_exported_file_with_a_malformed_line_is_refused_without_a_crash(tenant_id: str, line: str) -> None:
    lines = list(export_lines(tenant_id))
    assert not verify_lines([*lines[:-1], line]).intact
    assert not verify_lines([line]).intact
