"""Challenges for passkeys that need no row until they are answered. PURE.

A challenge is 16 random bytes, its end as Unix seconds, and a keyed hash over both, its purpose and whose it is. Made
for one purpose and one operator, it counts for no other, and for five minutes; that it counts once is its user's task.
"""

from __future__ import annotations

import hmac
import struct
from hashlib import sha256

NONCE_BYTES = 16
LIFE_SECONDS = 300
_END = struct.Struct(">Q")
LENGTH = NONCE_BYTES + _END.size + 32


def make_challenge(key: bytes, *, purpose: str, subject: str, nonce: bytes, now: int) -> bytes:
    """Return a challenge of 56 bytes; ``nonce`` is 16 random bytes, ``now`` Unix seconds."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError("A nonce has 16 bytes.")
    head = nonce + _END.pack(now + LIFE_SECONDS)
    return head + _tag(key, purpose, subject, head)


def challenge_ends(key: bytes, challenge: bytes, *, purpose: str, subject: str, now: int) -> int | None:
    """Return when a challenge ends, in Unix seconds; ``None`` for one that is not ours, not for this, or over."""
    if len(challenge) != LENGTH:
        return None
    head, tag = challenge[: NONCE_BYTES + _END.size], challenge[NONCE_BYTES + _END.size :]
    if not hmac.compare_digest(tag, _tag(key, purpose, subject, head)):
        return None
    (ends,) = _END.unpack(head[NONCE_BYTES:])
    return int(ends) if ends > now else None


def _tag(key: bytes, purpose: str, subject: str, head: bytes) -> bytes:
    parts = [b"passkey challenge", purpose.encode(), subject.encode(), head]
    return hmac.new(key, b"".join(struct.pack(">I", len(part)) + part for part in parts), sha256).digest()
