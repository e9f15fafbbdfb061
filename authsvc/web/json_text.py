"""JSON as DRF writes it, for answers that do not pass DRF."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rest_framework.utils.encoders import JSONEncoder

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


_PLAIN = re.compile(r"[ -\[\]-~]*+")  # ASCII without a backslash: of it only a quote is escaped


def encoded_texts(name: str, texts: Sequence[str]) -> str:
    """Return ``{name: texts}`` as ``encoded`` does; texts with nothing to escape are only joined."""
    joined = '","'.join(texts)
    if not texts or joined.count('"') != 2 * (len(texts) - 1) or not _PLAIN.fullmatch(joined):
        return encoded({name: texts})
    return f'{{"{name}":["{joined}"]}}'


def encoded(document: object) -> str:
    """Return JSON as DRF writes it."""
    return _encode(document).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
