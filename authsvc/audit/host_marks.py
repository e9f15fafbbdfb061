"""Marks shared by the processes of one host: one moves when a process has committed a change of rights.

So the next request on every worker of the host asks for its tenant's count again, instead of up to 250 ms later. A mark
is eight bytes of a small mapped file, chosen by the tenant's id; tenants that share one ask once too often. Nothing
rests on it: where the file cannot be had, or is lost, the count is still asked for four times a second.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
import stat
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Final
from zlib import crc32

import structlog
from django.db import connection

log = structlog.get_logger("authsvc.audit")
BYTES: Final = 8
MARKS: Final = 4096
NO_MARK: Final = b""


def mark_of(tenant_id: str) -> bytes:
    """Return the tenant's mark; an empty one where this host has none."""
    shared = _marks_of(os.getpid())
    if shared is None:
        return NO_MARK
    start = _start(tenant_id)
    return shared[start : start + BYTES]


def move_mark(tenant_id: str) -> None:
    """Give the tenant a new mark; call it after the commit and before anybody is answered."""
    shared = _marks_of(os.getpid())
    if shared is not None:
        start = _start(tenant_id)
        shared[start : start + BYTES] = secrets.token_bytes(BYTES)


@lru_cache(maxsize=MARKS)
def _start(tenant_id: str) -> int:
    return crc32(tenant_id.encode()) % MARKS * BYTES


@lru_cache(maxsize=1)
def _marks_of(_process: int) -> mmap.mmap | None:
    """Return the marks of our database's processes here; only a plain file of our own user is taken."""
    database = connection.settings_dict
    named = f"{database['ENGINE']}|{database['HOST']}|{database['PORT']}|{database['NAME']}"
    name = hashlib.sha256(named.encode()).hexdigest()[:24]
    path = Path(tempfile.gettempdir()) / f"authsvc-{os.getuid()}-{name}.marks"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
                raise PermissionError(f"{path} is not ours")
            os.posix_fallocate(descriptor, 0, MARKS * BYTES)  # a full disk says so here, and not by ending the process
            return mmap.mmap(descriptor, MARKS * BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("changes.no_shared_marks", reason=str(error))
        return None
