"""What a command's exit code says: 0 fine, 1 broken, 2 expiring soon, 3 could not tell, 64 bad usage."""

from __future__ import annotations

FINE = 0
BROKEN = 1
EXPIRING = 2
UNKNOWN = 3
BAD_USAGE = 64
