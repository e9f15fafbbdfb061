"""Rules as lines: what is written is read back the same, and a wrong line is named."""

from __future__ import annotations

from itertools import product

import pytest

from authsvc.web.problems import ValidationFailed
from rbac.channel_lines import FIELDS, lines_of, rules_of
from rbac.channel_rules import ChannelRule, Effect, Reach, SubjectKind

IDS = ("*", "7", "-100555", "123456789", "user", "group", "direct", "@kim", "C0AB:1.2", "+4915")
RULES = [ChannelRule(*each) for each in product(SubjectKind, IDS, Effect, Reach)]


def test_written_rules_are_read_back_as_they_decide() -> None:
    read = rules_of({effect: lines_of(RULES, effect) for effect in FIELDS})

    def meaning(rule: ChannelRule) -> tuple[object, ...]:  # a deny rule counts everywhere, whatever its reach says
        return rule.subject_kind, rule.subject_id, rule.effect, rule.effect is Effect.DENY or rule.reach

    assert sorted(map(str, map(meaning, read))) == sorted(map(str, map(meaning, RULES)))


@pytest.mark.parametrize(
    ("line", "kind", "subject_id", "reach"),
    [
        ("123456789", SubjectKind.USER, "123456789", Reach.EVERYWHERE),
        ("  user 7   direct ", SubjectKind.USER, "7", Reach.DIRECT),
        ("guild *", SubjectKind.GUILD, "*", Reach.EVERYWHERE),
        ("group -100 group", SubjectKind.GROUP, "-100", Reach.GROUP),
        ("+4915 direct", SubjectKind.USER, "+4915", Reach.DIRECT),
    ],
)
def test_line_is_read(line: str, kind: SubjectKind, subject_id: str, reach: Reach) -> None:
    assert rules_of({Effect.ALLOW: f"\n{line}\n\n"}) == [ChannelRule(kind, subject_id, Effect.ALLOW, reach)]


@pytest.mark.parametrize(
    ("effect", "line"),
    [
        (Effect.ALLOW, "user"),
        (Effect.ALLOW, "user 7 sometimes"),
        (Effect.ALLOW, "user 7 direct group"),
        (Effect.DENY, "user 7 direct"),
        (Effect.ALLOW, "user " + "9" * 129),
        (Effect.DENY, "guild ключ"),
    ],
)
def test_wrong_line_is_named_by_its_number(effect: Effect, line: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        rules_of({effect: f"1\n{line}"})
    assert refused.value.errors[FIELDS[effect]][0].startswith("Line 2: ")
