"""The audit as a file: JSON lines, and a verifier that needs the file alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields

from authsvc.audit.chain import ChainHead, ChainVerdict, EventRow, verify_chain
from authsvc.audit.checkpoints import purged_up_to
from authsvc.audit.models import AuditEvent, AuditHead
from authsvc.web.parsing import MalformedJson, parse_json

COLUMNS = frozenset(field.name for field in fields(EventRow))


def export_lines(tenant_id: str) -> Iterator[str]:
    """Yield where retention ended, if it ran, one JSON line per event in order of sequence, and one with the head."""
    start = purged_up_to(tenant_id)
    if start is not None:
        yield json.dumps({"start": asdict(start)})
    for event in AuditEvent.objects.filter(tenant_id=tenant_id).order_by("sequence").iterator(chunk_size=2000):
        yield json.dumps(asdict(event.as_row()), sort_keys=True)
    head = AuditHead.objects.filter(tenant_id=tenant_id).first()
    if head is not None:
        yield json.dumps({"head": {"tenant_id": tenant_id, "sequence": head.sequence, "hash": head.hash}})


def verify_lines(lines: Iterable[str]) -> ChainVerdict:
    """Check an exported chain; a line that cannot be read is named by its number."""
    rows: list[EventRow] = []
    head: ChainHead | None = None
    start: ChainHead | None = None
    for number, line in enumerate(lines, start=1):
        try:
            document = parse_json(line.encode())
        except MalformedJson:
            return ChainVerdict(False, 0, number, "", f"line {number} is not JSON")
        if isinstance(document, dict) and set(document) == {"head"}:
            head = _head(document["head"])
        elif isinstance(document, dict) and set(document) == {"start"} and number == 1:
            start = _head(document["start"])
        elif isinstance(document, dict) and set(document) == COLUMNS:
            rows.append(EventRow(**document))
        else:
            return ChainVerdict(False, 0, number, "", f"line {number} is not an event")
    if head is None:
        return ChainVerdict(False, 0, len(rows) + 1, "", "the line with the head is missing")
    return verify_chain(rows, head, start)


def _head(document: object) -> ChainHead | None:
    if isinstance(document, dict) and set(document) == {field.name for field in fields(ChainHead)}:
        return ChainHead(**document)
    return None
