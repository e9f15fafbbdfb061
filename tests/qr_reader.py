"""Reading QR codes back with a decoder that is not ours."""

from __future__ import annotations

import re

import zxingcpp

SQUARE = re.compile(r"M(\d+) (\d+)h(\d+)v1h-\3z")
PICTURE = re.compile(
    r'<svg class="qr" viewBox="0 0 (\d+) \1" role="img" aria-label="([^"]+)".*?<path d="([^"]+)"', re.S
)


def read(rows: list[int]) -> zxingcpp.Barcode:
    """Return what another decoder sees in a symbol of three pixels a module."""
    size, scale, quiet = len(rows), 3, 4
    edge = (size + 2 * quiet) * scale
    lines = [b"\xff" * edge] * (quiet * scale)
    margin = b"\xff" * (quiet * scale)
    for row in rows:
        modules = b"".join((b"\x00" if row >> x & 1 else b"\xff") * scale for x in range(size))
        lines += [margin + modules + margin] * scale
    lines += [b"\xff" * edge] * (quiet * scale)
    found = zxingcpp.read_barcodes(memoryview(b"".join(lines)).cast("B", shape=[edge, edge]))
    assert len(found) == 1
    return found[0]


def rows_of(path: str, edge: int) -> list[int]:
    """Return the modules a drawing fills."""
    rows = [0] * edge
    for x, y, length in (map(int, match.groups()) for match in SQUARE.finditer(path)):
        rows[y] |= ((1 << length) - 1) << x
    return rows


def read_page(page: str) -> tuple[str, str]:
    """Return what the QR code of a page says, and what the page says it shows."""
    edge, label, path = PICTURE.findall(page)[0]
    return read(rows_of(path, int(edge))).text, label
