"""Each thread's connection between requests: kept while it is good, closed when it is broken, too old, or when the file
of SQLite is no longer the one it opened.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

SECONDS_BETWEEN_LOOKS = 1.0
_looked = threading.local()


def look_after_connection() -> None:
    """Do once a second and thread what Django does around every request: close what is broken or too old, and have
    the connection tested before its next statement. One that just failed is looked at immediately.
    """
    here, now = connections[DEFAULT_DB_ALIAS], time.monotonic()
    if here.in_atomic_block:  # somebody's transaction, as in a test, is not ours to end
        return
    if now - getattr(_looked, "at", 0.0) >= SECONDS_BETWEEN_LOOKS or here.errors_occurred:
        _looked.at = now
        close_old_connections()
    close_if_replaced()


def close_if_replaced() -> None:
    """Close a connection to a file that was moved, deleted or replaced: what is written to it would be lost."""
    here = connections[DEFAULT_DB_ALIAS]
    opened = getattr(here, "opened_file", None)
    if opened is not None and not here.in_atomic_block and opened != _file_of(here):
        here.close()


@receiver(connection_created)
def note_file(connection: BaseDatabaseWrapper, **_given: Any) -> None:
    """Note which file a connection to SQLite opened."""
    if connection.vendor == "sqlite":
        connection.opened_file = _file_of(connection)  # type: ignore[attr-defined]  # nobody else tells connections apart


def _file_of(connection: BaseDatabaseWrapper) -> tuple[int, int] | None:
    """Return device and number of the file at the path now; ``None`` where there is none, as in memory."""
    try:
        found = os.stat(connection.settings_dict["NAME"])  # noqa: PTH116 - asked by every request, so without a Path
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
