"""Signed checkpoints: an Ed25519 signature over (tenant, sequence, hash) that a rewritten chain cannot match.

The key is derived from the service's secret key, which the database does not hold; ``public_key_text`` is given
to whoever verifies offline.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from authsvc.audit.chain import ChainHead, ChainVerdict, EventRow, verify_chain
from authsvc.audit.models import AuditCheckpoint, AuditEvent, AuditHead


def verify_tenant(tenant_id: str) -> ChainVerdict:
    """Check the stored chain of one tenant against its head and its checkpoints; writes nothing."""
    head = AuditHead.objects.filter(tenant_id=tenant_id).first()
    events = AuditEvent.objects.filter(tenant_id=tenant_id).order_by("sequence").iterator(chunk_size=2000)
    recorded = ChainHead(tenant_id, head.sequence, head.hash) if head else ChainHead(tenant_id, 0, "")
    verdict = verify_chain(_rows(events), recorded, purged_up_to(tenant_id))
    if not verdict.intact:
        return verdict
    for checkpoint in AuditCheckpoint.objects.filter(tenant_id=tenant_id).order_by("sequence"):
        reason = _wrong(checkpoint, recorded.sequence)
        if reason:
            return ChainVerdict(False, verdict.checked, checkpoint.sequence, "", reason)
    return verdict


def purged_up_to(tenant_id: str) -> ChainHead | None:
    """Return where retention ended, as the chain's own last ``audit.purged`` event says; ``None`` if it never ran.

    The place counts only with a signed checkpoint of the same hash, so deleting rows by hand never looks like it.
    """
    purges = AuditEvent.objects.filter(tenant_id=tenant_id, event_type="audit.purged")
    last = purges.order_by("-sequence").first()
    if last is None:
        return None
    sequence, event_hash = int(last.detail["sequence"]), str(last.detail["hash"])
    signed = AuditCheckpoint.objects.filter(tenant_id=tenant_id, sequence=sequence, hash=event_hash).first()
    return ChainHead(tenant_id, sequence, event_hash) if signed is not None and not _wrong(signed, sequence) else None


def known_tenant_ids() -> list[str]:
    """Return every tenant id that has a head, an event or a checkpoint, sorted."""
    found: set[str] = set()
    for model in (AuditHead, AuditEvent, AuditCheckpoint):
        found |= set(model.objects.order_by().values_list("tenant_id", flat=True).distinct())
    return sorted(found)


def sign_checkpoint(tenant_id: str, *, now: datetime) -> AuditCheckpoint | None:
    """Sign the present head and store the checkpoint; ``None`` when the chain is empty or already signed there."""
    head = AuditHead.objects.filter(tenant_id=tenant_id, sequence__gt=0).first()
    if head is None or AuditCheckpoint.objects.filter(tenant_id=tenant_id, sequence=head.sequence).exists():
        return None
    checkpoint = AuditCheckpoint(
        tenant_id=tenant_id,
        sequence=head.sequence,
        hash=head.hash,
        signed_at=now,
        public_key=public_key_text(),
        signature=_private_key().sign(message(tenant_id, head.sequence, head.hash)).hex(),
    )
    checkpoint.save()
    return checkpoint


def message(tenant_id: str, sequence: int, event_hash: str) -> bytes:
    """Return the signed bytes."""
    return json.dumps(["authsvc audit checkpoint", 1, tenant_id, sequence, event_hash]).encode()


def public_key_text() -> str:
    """Return the checkpoint key's public half, base64."""
    return base64.b64encode(_private_key().public_key().public_bytes_raw()).decode()


def is_signature_good(public_key: str, tenant_id: str, sequence: int, event_hash: str, signature: str) -> bool:
    """True when the signature (hex) fits; needs no database."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(bytes.fromhex(signature), message(tenant_id, sequence, event_hash))
    except (ValueError, InvalidSignature):
        return False
    return True


def _private_key() -> Ed25519PrivateKey:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"authsvc audit checkpoint key v1")
    return Ed25519PrivateKey.from_private_bytes(derive.derive(settings.SECRET_KEY.encode()))


def _wrong(checkpoint: AuditCheckpoint, last_sequence: int) -> str:
    """Judge by our own key: the one beside the signature could be the forger's."""
    if checkpoint.public_key != public_key_text():
        return "the signature of a checkpoint is by another key than ours"
    if not is_signature_good(
        public_key_text(), checkpoint.tenant_id, checkpoint.sequence, checkpoint.hash, checkpoint.signature
    ):
        return "the signature of a checkpoint is wrong"
    if checkpoint.sequence > last_sequence:
        return "the chain ends before a signed checkpoint"
    event = AuditEvent.objects.filter(tenant_id=checkpoint.tenant_id, sequence=checkpoint.sequence).first()
    if event is not None and event.hash != checkpoint.hash:
        return "the chain was rewritten below a signed checkpoint"
    return ""


def _rows(events: Iterable[AuditEvent]) -> Iterable[EventRow]:
    return (event.as_row() for event in events)
