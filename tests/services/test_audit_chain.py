"""The audit chain: whatever is changed behind its back in the table, verification fails and names the place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, connection, transaction

from authsvc.audit.chain import GENESIS, ChainVerdict, hash_event
from authsvc.audit.checkpoints import known_tenant_ids, message, sign_checkpoint, verify_tenant
from authsvc.audit.events import EVENT_TYPES, UnknownEvent, checked_detail
from authsvc.audit.exported import export_lines, verify_lines
from authsvc.audit.models import AuditCheckpoint, AuditEvent, AuditHead
from authsvc.audit.record import record
from tests.world import World

TABLE = "authsvc_auditevent"
TEXT_COLUMNS = (
    "event_type",
    "environment_id",
    "actor_kind",
    "actor_id",
    "subject_id",
    "request_id",
    "address",
    "previous_hash",
    "hash",
)


def sql(statement: str, *parameters: Any) -> None:
    """Run a statement past the models."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def tenant_of(world: World) -> str:
    """Return acme's id."""
    return world.prod.caller().tenant_id


def event(world: World, sequence: int) -> AuditEvent:
    """Return one event of acme."""
    return AuditEvent.objects.get(tenant_id=tenant_of(world), sequence=sequence)


def last_sequence(world: World) -> int:
    """Return where acme's chain ends."""
    return AuditHead.objects.get(tenant_id=tenant_of(world)).sequence


def places(world: World) -> dict[str, int]:
    """Return the sequences of the first, a middle and the last event."""
    last = last_sequence(world)
    return {"first": 1, "middle": last // 2, "last": last}


def assert_broken(world: World, sequence: int, *, event_id: str | None = None, tenant: str = "") -> ChainVerdict:
    """Assert that the stored chain and its export are both found broken at ``sequence``."""
    tenant = tenant or tenant_of(world)
    stored, exported = verify_tenant(tenant), verify_lines(export_lines(tenant))
    assert not stored.intact
    assert stored.sequence == sequence
    assert stored.reason
    if event_id is not None:
        assert stored.event_id == event_id
    assert not exported.intact
    assert exported.sequence == sequence
    return stored


def test_chain_of_every_demo_tenant_is_intact(world: World) -> None:
    verdicts = {tenant_id: verify_tenant(tenant_id) for tenant_id in known_tenant_ids()}
    assert len(verdicts) >= 3
    assert all(verdict.intact for verdict in verdicts.values())
    assert verdicts[tenant_of(world)].checked == last_sequence(world) > 20


def test_unknown_tenant_has_no_intact_chain(world: World) -> None:
    assert not verify_tenant("ten_nobody").intact


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_changed_text_is_found_where_it_is(world: World, column: str, place: str) -> None:
    changed = event(world, places(world)[place])
    value: str = getattr(changed, column)
    other = (chr(ord(value[0]) ^ 1) + value[1:]) if value else "x"
    sql(f"UPDATE {TABLE} SET {column} = %s WHERE id = %s", other, changed.id)  # noqa: S608
    assert_broken(world, changed.sequence, event_id=changed.id)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_changed_id_is_found_where_it_is(world: World, place: str) -> None:
    changed = event(world, places(world)[place])
    sql(f"UPDATE {TABLE} SET id = %s WHERE id = %s", "evt_x", changed.id)  # noqa: S608
    assert_broken(world, changed.sequence, event_id="evt_x")


@pytest.mark.parametrize("shift", [timedelta(microseconds=1), timedelta(hours=-1)])
def test_changed_time_is_found_where_it_is(world: World, shift: timedelta) -> None:
    changed = event(world, places(world)["middle"])
    AuditEvent.objects.filter(id=changed.id).update(occurred_at=changed.occurred_at + shift)
    assert_broken(world, changed.sequence, event_id=changed.id)


@pytest.mark.parametrize("change", [{"added": 1}, {"name": "x"}, {}])
def test_changed_detail_is_found_where_it_is(world: World, change: dict[str, Any]) -> None:
    changed = event(world, places(world)["middle"])
    detail = {**changed.detail, **change} if change else {}
    assert detail != changed.detail
    sql(f"UPDATE {TABLE} SET detail = %s WHERE id = %s", json.dumps(detail), changed.id)  # noqa: S608
    assert_broken(world, changed.sequence, event_id=changed.id)


def test_detail_of_another_type_is_found(world: World) -> None:
    changed = record(world.prod.caller(), "audit.checkpoint_signed", detail={"sequence": 1}, now=datetime.now(UTC))
    sql(f"UPDATE {TABLE} SET detail = %s WHERE id = %s", '{"sequence": "1"}', changed.id)  # noqa: S608
    assert_broken(world, changed.sequence, event_id=changed.id)


def test_changed_sequence_is_found_where_the_gap_is(world: World) -> None:
    moved = event(world, places(world)["middle"])
    sql(f"UPDATE {TABLE} SET sequence = %s WHERE id = %s", last_sequence(world) + 1, moved.id)  # noqa: S608
    assert_broken(world, moved.sequence)


def test_event_moved_to_another_tenant_breaks_both_chains(world: World) -> None:
    moved = event(world, last_sequence(world))
    other = world.foreign.caller().tenant_id
    end = AuditHead.objects.get(tenant_id=other).sequence
    sql(f"UPDATE {TABLE} SET tenant_id = %s, sequence = %s WHERE id = %s", other, end + 1, moved.id)  # noqa: S608
    assert_broken(world, moved.sequence)
    assert_broken(world, end + 1, event_id=moved.id, tenant=other)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_deleted_row_is_found_where_it_is_missing(world: World, place: str) -> None:
    sequence = places(world)[place]
    sql(f"DELETE FROM {TABLE} WHERE id = %s", event(world, sequence).id)  # noqa: S608
    assert_broken(world, sequence)


def test_every_row_deleted_is_found_at_the_beginning(world: World) -> None:
    sql(f"DELETE FROM {TABLE} WHERE tenant_id = %s", tenant_of(world))  # noqa: S608
    assert_broken(world, 1)


def test_events_and_head_deleted_together_is_no_intact_chain(world: World) -> None:
    tenant_id = tenant_of(world)
    sign_checkpoint(tenant_id, now=datetime.now(UTC))
    sql(f"DELETE FROM {TABLE} WHERE tenant_id = %s", tenant_id)  # noqa: S608
    sql("DELETE FROM authsvc_audithead WHERE tenant_id = %s", tenant_id)
    assert not verify_tenant(tenant_id).intact
    assert not verify_lines(export_lines(tenant_id)).intact


@pytest.mark.parametrize("distance", [1, 7])
def test_two_rows_with_swapped_contents_are_found_at_the_first(world: World, distance: int) -> None:
    first = event(world, places(world)["middle"])
    second = event(world, first.sequence + distance)
    columns = ("event_type", "environment_id", "actor_kind", "actor_id", "subject_id", "request_id", "address")
    assignments = ", ".join(f"{column} = %s" for column in (*columns, "occurred_at", "detail"))
    for row, source in ((first, second), (second, first)):
        values = [getattr(source, column) for column in columns]
        moment = (
            source.occurred_at if connection.vendor == "postgresql" else str(source.occurred_at.replace(tzinfo=None))
        )
        sql(
            f"UPDATE {TABLE} SET {assignments} WHERE id = %s",  # noqa: S608
            *values,
            moment,
            json.dumps(source.detail),
            row.id,
        )
    assert_broken(world, first.sequence, event_id=first.id)


def test_two_rows_with_swapped_sequences_are_found_at_the_first(world: World) -> None:
    first = event(world, places(world)["middle"])
    second = event(world, first.sequence + 1)
    for row, sequence in ((first, -1), (second, first.sequence), (first, second.sequence)):
        sql(f"UPDATE {TABLE} SET sequence = %s WHERE id = %s", sequence, row.id)  # noqa: S608
    assert_broken(world, first.sequence, event_id=second.id)


def test_inserted_row_is_refused_or_found(world: World) -> None:
    copied = event(world, places(world)["middle"])
    with pytest.raises(DatabaseError), transaction.atomic():
        sql(f"UPDATE {TABLE} SET sequence = %s WHERE id = %s", copied.sequence + 1, copied.id)  # noqa: S608
    end = last_sequence(world)
    copied.id, copied.sequence = "evt_forged", end + 1
    AuditEvent.objects.bulk_create([copied])
    assert_broken(world, end + 1, event_id="evt_forged")


@pytest.mark.parametrize(("column", "value"), [("sequence", 3), ("sequence", 10_000), ("hash", "0" * 64)])
def test_changed_head_is_found_at_the_end(world: World, column: str, value: object) -> None:
    end = last_sequence(world)
    sql(f"UPDATE authsvc_audithead SET {column} = %s WHERE tenant_id = %s", value, tenant_of(world))  # noqa: S608
    assert_broken(world, end + 1)


def test_deleted_head_is_found_at_the_end(world: World) -> None:
    end = last_sequence(world)
    sql("DELETE FROM authsvc_audithead WHERE tenant_id = %s", tenant_of(world))
    assert not verify_tenant(tenant_of(world)).intact
    verdict = verify_lines(export_lines(tenant_of(world)))
    assert not verdict.intact
    assert verdict.sequence == end + 1


Forgery = Callable[[AuditCheckpoint], tuple[str, object]]
FORGERIES: dict[str, Forgery] = {
    "signature": lambda checkpoint: ("signature", "00" + checkpoint.signature[2:]),
    "no signature": lambda _checkpoint: ("signature", ""),
    "no hexadecimal": lambda _checkpoint: ("signature", "zz" * 64),
    "hash": lambda _checkpoint: ("hash", "f" * 64),
    "sequence": lambda checkpoint: ("sequence", checkpoint.sequence - 1),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_checkpoint_is_found_at_its_sequence(world: World, name: str) -> None:
    checkpoint = sign_checkpoint(tenant_of(world), now=datetime.now(UTC))
    assert checkpoint is not None
    assert verify_tenant(tenant_of(world)).intact
    column, value = FORGERIES[name](checkpoint)
    sql(f"UPDATE authsvc_auditcheckpoint SET {column} = %s WHERE id = %s", value, checkpoint.id)  # noqa: S608
    verdict = verify_tenant(tenant_of(world))
    assert not verdict.intact
    assert verdict.sequence == (value if column == "sequence" else checkpoint.sequence)
    assert "checkpoint" in verdict.reason


def test_checkpoint_moved_to_another_tenant_is_found(world: World) -> None:
    checkpoint = sign_checkpoint(tenant_of(world), now=datetime.now(UTC))
    assert checkpoint is not None
    other = world.foreign.caller().tenant_id
    sql("UPDATE authsvc_auditcheckpoint SET tenant_id = %s WHERE id = %s", other, checkpoint.id)
    assert not verify_tenant(other).intact


def test_checkpoint_signed_with_a_strangers_key_is_found(world: World) -> None:
    tenant_id = tenant_of(world)
    checkpoint = sign_checkpoint(tenant_id, now=datetime.now(UTC))
    assert checkpoint is not None
    stranger = Ed25519PrivateKey.generate()
    signature = stranger.sign(message(tenant_id, checkpoint.sequence, checkpoint.hash)).hex()
    public = base64.b64encode(stranger.public_key().public_bytes_raw()).decode()
    sql(
        "UPDATE authsvc_auditcheckpoint SET public_key = %s, signature = %s WHERE id = %s",
        public,
        signature,
        checkpoint.id,
    )
    assert not verify_tenant(tenant_id).intact


def test_rewritten_chain_does_not_match_its_checkpoint(world: World) -> None:
    """A whole consistent rewrite, head included, is caught by the signature over the old hash."""
    tenant_id = tenant_of(world)
    assert sign_checkpoint(tenant_id, now=datetime.now(UTC)) is not None
    previous = GENESIS
    for row in AuditEvent.objects.filter(tenant_id=tenant_id).order_by("sequence"):
        forged = replace(row.as_row(), actor_id="somebody-else", previous_hash=previous, hash="")
        previous = hash_event(forged)
        sql(
            f"UPDATE {TABLE} SET actor_id = %s, previous_hash = %s, hash = %s WHERE id = %s",  # noqa: S608
            "somebody-else",
            forged.previous_hash,
            previous,
            row.id,
        )
    sql("UPDATE authsvc_audithead SET hash = %s WHERE tenant_id = %s", previous, tenant_id)
    verdict = verify_tenant(tenant_id)
    assert not verdict.intact
    assert verdict.reason == "the chain was rewritten below a signed checkpoint"


def test_checkpoint_is_signed_once_per_head(world: World) -> None:
    now = datetime.now(UTC)
    assert sign_checkpoint(tenant_of(world), now=now) is not None
    assert sign_checkpoint(tenant_of(world), now=now) is None
    record(world.prod.caller(), "tenant.updated", detail={"changed": ["name"]}, now=now)
    assert sign_checkpoint(tenant_of(world), now=now) is not None
    assert verify_tenant(tenant_of(world)).intact


def test_export_verifies_without_the_database(world: World) -> None:
    verdict = verify_lines(list(export_lines(tenant_of(world))))
    assert verdict == ChainVerdict(True, last_sequence(world), last_sequence(world))


Damage = Callable[[list[str]], list[str]]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no head": (lambda lines: lines[:-1], "head is missing"),
    "no json": (lambda lines: [lines[0], "{", *lines[1:]], "line 2 is not JSON"),
    "empty line": (lambda lines: [lines[0], "", *lines[1:]], "line 2 is not JSON"),
    "other columns": (lambda lines: ['{"a": 1}', *lines], "line 1 is not an event"),
    "a list": (lambda lines: ["[]", *lines], "line 1 is not an event"),
    "line lost": (lambda lines: [*lines[:4], *lines[5:]], "sequence 6 stands where 5 belongs"),
    "line twice": (lambda lines: [*lines[:5], *lines[4:]], "sequence 5 stands where 6 belongs"),
    "lines swapped": (lambda lines: [lines[1], lines[0], *lines[2:]], "sequence 2 stands where 1 belongs"),
    "text changed": (lambda lines: [lines[0].replace("tenant", "tenent", 1), *lines[1:]], ""),
    "end cut": (lambda lines: [*lines[:-3], lines[-1]], "does not end where its head says"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_export_is_refused_with_its_reason(world: World, name: str) -> None:
    damage, reason = DAMAGES[name]
    verdict = verify_lines(damage(list(export_lines(tenant_of(world)))))
    assert not verdict.intact
    assert reason in verdict.reason


@pytest.mark.parametrize("column", ["sequence", "hash", "detail", "occurred_at"])
@pytest.mark.parametrize("value", [None, 1, [], {}])
def test_exported_line_with_a_wrong_type_is_refused_and_never_crashes(world: World, column: str, value: object) -> None:
    lines = list(export_lines(tenant_of(world)))
    document = json.loads(lines[5])
    document[column] = value if document[column] != value else "x"
    lines[5] = json.dumps(document)
    verdict = verify_lines(lines)
    assert not verdict.intact
    assert verdict.sequence == 6


@pytest.mark.parametrize("head", ['{"head": null}', '{"head": {}}', '{"head": {"tenant_id": "x"}}', '{"head": []}'])
def test_exported_head_of_a_wrong_shape_is_refused_and_never_crashes(world: World, head: str) -> None:
    lines = [*list(export_lines(tenant_of(world)))[:-1], head]
    assert not verify_lines(lines).intact


def test_audit_rows_are_not_changed_through_the_model(world: World) -> None:
    row = event(world, 1)
    row.actor_id = "somebody-else"
    with pytest.raises(TypeError):
        row.save()
    with pytest.raises(TypeError):
        row.delete()


@pytest.mark.parametrize("detail", [{"secret": "x"}, {"slug": "a", "password": "b"}])
def test_detail_outside_the_table_is_refused(detail: dict[str, object]) -> None:
    with pytest.raises(UnknownEvent):
        checked_detail("tenant.created", detail)


def test_unknown_event_type_writes_nothing(world: World) -> None:
    before = last_sequence(world)
    with pytest.raises(UnknownEvent):
        record(world.prod.caller(), "tenant.exploded", now=datetime.now(UTC))
    assert last_sequence(world) == before


def test_no_detail_key_is_the_name_of_a_secret() -> None:
    banned = {"secret", "password", "token", "value", "key", "access", "refresh", "credential", "user_code", "body"}
    assert {name: keys & banned for name, keys in EVENT_TYPES.items() if keys & banned} == {}


def test_event_without_its_change_cannot_commit(world: World) -> None:
    before = last_sequence(world)
    with pytest.raises(RuntimeError), transaction.atomic():
        record(world.prod.caller(), "tenant.updated", detail={"changed": []}, now=datetime.now(UTC))
        raise RuntimeError
    assert last_sequence(world) == before
    assert verify_tenant(tenant_of(world)).intact
