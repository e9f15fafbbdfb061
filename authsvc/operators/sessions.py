"""Where operators are signed in: listed, ended one by one or all at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from authsvc.audit.record import record
from authsvc.operators.models import OperatorSession
from authsvc.operators.session_store import SIGNED_IN, stored_key
from authsvc.tenants.models import Operator
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.identifiers import new_id
from authsvc.web.problems import NotFound

BROWSERS = ("Edg", "Firefox", "Chrome", "Safari", "curl")
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
NAMES = {"Edg": "Edge", "Mac OS X": "macOS"}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One signed-in browser of an operator; the key itself is never shown."""

    id: str
    signed_in_at: datetime | None
    ends_at: datetime
    address: str
    browser: str
    is_verified: bool
    is_this_one: bool


def note_sign_in(request: HttpRequest, *, now: datetime) -> None:
    """Write into the fresh session when and from where it was opened."""
    browser = browser_of(request.headers.get("User-Agent", ""))
    request.session[SIGNED_IN] = {
        "id": new_id("ses"),
        "at": now.isoformat(),
        "address": client_address(request)[:45],
        "browser": browser,
    }


def browser_of(user_agent: str) -> str:
    """Return what people call a browser and its system, such as ``Firefox on Windows``; never the text itself."""
    found = [next((name for name in names if re.search(rf"{name}\b", user_agent)), "") for names in (BROWSERS, SYSTEMS)]
    return " on ".join(NAMES.get(name, name) for name in found if name) or "unknown browser"


def open_sessions(operator: Operator, *, now: datetime, current_key: str = "") -> list[OpenSession]:
    """Return the living sessions of an operator, the newest first; the one with ``current_key`` is marked."""
    here = stored_key(current_key) if current_key else ""
    return [
        OpenSession(
            row.public_id,
            row.signed_in_at,
            row.expire_date,
            row.address,
            row.browser,
            row.is_verified,
            row.session_key == here,
        )
        for row in _living(operator, now).order_by("-signed_in_at", "-expire_date")
    ]


def end_session(caller: Caller, *, operator: Operator, session_id: str, now: datetime) -> None:
    """Sign one browser of an operator out; raises ``NotFound``."""
    with transaction.atomic():
        ended, _ = _living(operator, now).filter(public_id=session_id).exclude(public_id="").delete()
        if not ended:
            raise NotFound
        record(caller, "operator.sessions_ended", subject_id=operator.id, detail={"count": 1}, now=now)


def end_sessions(caller: Caller, *, operator: Operator, now: datetime, but_key: str = "") -> int:
    """Sign an operator out everywhere, but for the browser with ``but_key``; returns how many sessions ended."""
    rows = _living(operator, now)
    if but_key:
        rows = rows.exclude(session_key=stored_key(but_key))
    with transaction.atomic():
        ended, _ = rows.delete()
        record(caller, "operator.sessions_ended", subject_id=operator.id, detail={"count": ended}, now=now)
    return ended


def _living(operator: Operator, now: datetime) -> QuerySet[OperatorSession]:
    return OperatorSession.objects.filter(operator=operator, expire_date__gt=now)
