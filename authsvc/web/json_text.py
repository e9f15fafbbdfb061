"""JSON as DRF writes it, for answers that do not pass DRF."""

from __future__ import annotations

from rest_framework.utils.encoders import JSONEncoder

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encoded(document: object) -> str:
    """Return JSON as DRF writes it."""
    return _encode(document).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
