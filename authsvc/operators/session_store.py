"""Sessions in a table that says whose they are, so that they can be listed and ended one by one.

The cookie's key is stored as a SHA-256: whoever reads the table, or a backup of it, enters nowhere.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django_otp import DEVICE_ID_SESSION_KEY

from authsvc.operators.models import OperatorSession
from authsvc.web.prepared import Prepared

SIGNED_IN = "signed_in"
_SESSION = Prepared(lambda key_hash: OperatorSession.objects.filter(session_key=key_hash).order_by())


class SessionStore(DatabaseStore):
    """Django's database store on our table, by the hash of the key."""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the table."""
        return OperatorSession

    def exists(self, session_key: str) -> bool:
        """True when a session has this key."""
        return super().exists(stored_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """End this session, or the one with the given key."""
        key = session_key or self.session_key
        if key:
            OperatorSession.objects.filter(session_key=stored_key(key)).delete()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row of this session, with what lists show."""
        row: Any = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        signed_in = data.get(SIGNED_IN) or {}
        row.operator_id = data.get("_auth_user_id")
        row.public_id = signed_in.get("id", "")
        row.address, row.browser = signed_in.get("address", ""), signed_in.get("browser", "")
        row.signed_in_at = datetime.fromisoformat(signed_in["at"]) if "at" in signed_in else None
        row.is_verified = DEVICE_ID_SESSION_KEY in data
        return row

    def _get_session_from_db(self) -> Any:
        """Return the living row of this key; without one the key is forgotten."""
        found = _SESSION.first(key_hash=stored_key(self.session_key or ""))
        if found is None or found.expire_date <= self._now():
            self._session_key = None
            return None
        return found

    @staticmethod
    def _now() -> datetime:
        from django.utils import timezone  # noqa: PLC0415 - Django's own clock, as its store reads it

        return timezone.now()


def stored_key(session_key: str) -> str:
    """Return what the table holds of a cookie's key."""
    return sha256(session_key.encode()).hexdigest()
