"""The rules of a channel policy as lines people type, and back: ``user 123``, ``guild 5``, ``user 7 direct``. PURE.

A line is the kind of subject, its id (``*`` for everybody), and for an allowed person where the rule counts. An id
alone is a user. What is read back from lines that were written here is exactly what was there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from authsvc.web.problems import ValidationFailed
from rbac.channel_rules import ChannelRule, Effect, Reach, SubjectIdMalformed, SubjectKind

FIELDS: Mapping[Effect, str] = {Effect.ALLOW: "allowed", Effect.DENY: "denied"}
KINDS = frozenset(SubjectKind)
REACHES = frozenset(Reach)
SHAPE = "Write a kind (user, guild, chat or group), an id and, for a person, direct or group."


def rules_of(texts: Mapping[Effect, str]) -> list[ChannelRule]:
    """Return the rules two lists of lines stand for; raises ``ValidationFailed`` naming the line."""
    return [rule for effect, text in texts.items() for rule in _read(text, effect)]


def lines_of(rules: Iterable[ChannelRule], effect: Effect) -> str:
    """Return the rules of one effect as lines."""
    return "\n".join(_written(rule) for rule in rules if rule.effect is effect)


def _read(text: str, effect: Effect) -> Iterator[ChannelRule]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words:
            yield _rule(words, effect, number)


def _rule(words: list[str], effect: Effect, number: int) -> ChannelRule:
    if words[0] not in KINDS:
        words = [SubjectKind.USER.value, *words]
    if len(words) < 2:
        raise _refused(effect, number, SHAPE)
    kind, subject_id, *rest = words
    reach = rest[0] if rest else Reach.EVERYWHERE.value
    if len(rest) > 1 or reach not in REACHES or (rest and effect is Effect.DENY):
        raise _refused(effect, number, SHAPE)
    try:
        return ChannelRule(SubjectKind(kind), subject_id, effect, Reach(reach))
    except SubjectIdMalformed as error:
        raise _refused(effect, number, error.detail) from error


def _refused(effect: Effect, number: int, text: str) -> ValidationFailed:
    return ValidationFailed(errors={FIELDS[effect]: [f"Line {number}: {text}"]})


def _written(rule: ChannelRule) -> str:
    reach = "" if rule.reach is Reach.EVERYWHERE or rule.effect is Effect.DENY else f" {rule.reach.value}"
    return f"{rule.subject_kind.value} {rule.subject_id}{reach}"
