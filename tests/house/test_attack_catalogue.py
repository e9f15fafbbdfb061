"""Each attack on tokens that the project promises to refuse has a test that carries its number."""

from __future__ import annotations

import re

from tests.house.sources import ROOT

ATTACKS = {0, 1, 2, 4, 5, 6, 7, 9, 12, 13, 14, 15, 17, 19, 21, 23, 24, 25, 29, 31}
NUMBERED = re.compile(r"^def test((?:_t\d\d)+)_", re.MULTILINE)


def test_every_numbered_attack_on_tokens_has_a_test() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))
    covered = {int(number) for names in NUMBERED.findall(text) for number in re.findall(r"\d\d", names)}
    assert ATTACKS - covered == set()
