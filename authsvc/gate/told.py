"""Good answers of introspection and forward-auth, for the same request a moment later.

A proxy asks for every picture of a page. An answer is remembered by the SHA-256 of everything its view reads of the
request, until the tenant's count of changes moves or a proof, or the signed identity in it, ends. Told again, it takes
from the same limits and is counted; only good answers are remembered, and none that rests on a cookie.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from authsvc.audit.changes import Remembered
from authsvc.audit.figures import count_decision
from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.limit_middleware import count_for_tenant, microseconds, tally_of
from authsvc.web.limits import FORWARD_AUTH, GENERAL, address_key

READ = (
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "HTTP_AUTHORIZATION",
    "HTTP_X_ORIGINAL_METHOD",
    "HTTP_X_ORIGINAL_URI",
    "HTTP_X_FORWARDED_METHOD",
    "HTTP_X_FORWARDED_URI",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_FOR",
    "REMOTE_ADDR",
)
MAXIMUM_BYTES = 32_768
MAXIMUM_REMEMBERED = 4096
REPEATABLE = "repeatable"


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What a view says of a good answer: whose request it was, how long it holds, and what it counts as."""

    caller: Caller
    since: datetime
    until: datetime
    is_decision: bool
    counts_for_tenant: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """A remembered answer."""

    said: Repeatable
    fields: Sequence[tuple[str, str]]
    body: bytes

    def take_limits(self, request: HttpRequest) -> None:
        """Take from the buckets its view takes from; raises ``TooManyRequests``."""
        tally = tally_of(request)
        if tally is not None:
            tally.take(FORWARD_AUTH if self.said.is_decision else GENERAL, address_key(request), now=microseconds())
        if self.said.counts_for_tenant:
            count_for_tenant(request, self.said.caller.tenant_id)

    def count(self, now: datetime) -> None:
        """Count it as its view does."""
        if self.said.is_decision:
            count_decision(self.said.caller, allowed=True, now=now)


_TOLD: Remembered[bytes, Told] = Remembered(MAXIMUM_REMEMBERED)


def key_of(environ: Environ) -> bytes | None:
    """Return what an answer to this request is remembered by; ``None`` where it never is. The body stays readable."""
    if (
        not environ.get("HTTP_AUTHORIZATION")
        or "HTTP_ORIGIN" in environ
        or "cookie=" in environ.get("QUERY_STRING", "")
    ):
        return None
    body = b""
    if "/oauth/" in environ["PATH_INFO"]:
        length = str(environ.get("CONTENT_LENGTH") or "")
        if not length.isdecimal() or len(length) > 10 or int(length) > MAXIMUM_BYTES:
            return None
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
    read = "\0".join(str(environ.get(name, "")) for name in READ)
    return hashlib.sha256(read.encode("utf-8", "surrogatepass") + b"\0" + body).digest()


def find_told(key: bytes, *, now: datetime) -> Told | None:
    """Return the answer that still holds; raises ``DatabaseError`` when that cannot be told."""
    known = _TOLD.find(key)
    return known.value if known is not None and known.value.said.since <= now < known.value.said.until else None


def say_repeatable(response: HttpResponse, said: Repeatable, *proofs: Caller) -> None:
    """Let the door remember a good answer that rests on the caller and the other proofs, looked up at one count."""
    if said.until > said.since and all(proof.changes == said.caller.changes for proof in proofs):
        setattr(response, REPEATABLE, said)


def remember_told(key: bytes, response: HttpResponse) -> None:
    """Remember an answer that its view says may be repeated, without what the middleware adds."""
    said: Repeatable | None = getattr(response, REPEATABLE, None)
    if said is not None and said.caller.changes is not None:
        told = Told(said, tuple(response.items()), response.content)
        _TOLD.put(key, said.caller.tenant_id, said.caller.changes, told)
