"""Who outside may speak through a channel: one sender against one policy, with the reason. PURE.

Deny wins over allow, in direct messages and in groups alike. Refused by default: a channel without a policy, a sender
nobody listed, and a sender who does not say who they are where a rule about people has to be checked. The wildcard
``*`` opens a place only together with the policy ``open``; either of the two alone opens nothing. Numbers and text
are one id: 123 and "123" are the same sender.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from authsvc.web.problems import ValidationFailed

WILDCARD = "*"
SUBJECT_ID = re.compile(r"[!-~]{1,128}\Z")
LARGEST_NUMBER = 10**40

RawId = str | int


class ChannelKind(StrEnum):
    """The chat services a policy can speak of."""

    TELEGRAM = "telegram"
    DISCORD = "discord"
    SLACK = "slack"
    WHATSAPP = "whatsapp"
    SIGNAL = "signal"
    GENERIC = "generic"


class SubjectKind(StrEnum):
    """What a rule speaks of: a person, a Discord server or workspace, any conversation, or a group conversation."""

    USER = "user"
    GUILD = "guild"
    CHAT = "chat"
    GROUP = "group"


class Effect(StrEnum):
    """What a rule does to whom it matches."""

    ALLOW = "allow"
    DENY = "deny"


class Reach(StrEnum):
    """Where an allow rule about a person counts; a deny rule counts everywhere it could."""

    EVERYWHERE = "everywhere"
    DIRECT = "direct"
    GROUP = "group"


class DirectPolicy(StrEnum):
    """Who may write directly: approved by pairing code, listed, everyone, nobody."""

    PAIRING = "pairing"
    ALLOWLIST = "allowlist"
    OPEN = "open"
    DISABLED = "disabled"


class GroupPolicy(StrEnum):
    """Who may speak in groups: listed, everyone, nobody."""

    ALLOWLIST = "allowlist"
    OPEN = "open"
    DISABLED = "disabled"


class GroupGate(StrEnum):
    """Whether a listed place or a listed person is enough in a group, or both are needed."""

    EITHER = "either"
    BOTH = "both"


class Reason(StrEnum):
    """Why the answer is what it is; stable codes."""

    ALLOWED_BY_RULE = "allowed_by_rule"
    OPEN_TO_ALL = "open_to_all"
    UNKNOWN_CHANNEL = "unknown_channel"
    DENIED_BY_RULE = "denied_by_rule"
    SENDER_UNIDENTIFIED = "sender_unidentified"
    DIRECT_DISABLED = "direct_disabled"
    GROUP_DISABLED = "group_disabled"
    PAIRING_REQUIRED = "pairing_required"
    NOT_ON_ALLOWLIST = "not_on_allowlist"
    OPEN_WITHOUT_WILDCARD = "open_without_wildcard"


class SubjectIdMalformed(ValidationFailed):
    """An id is a whole number or 1 to 128 visible ASCII characters."""

    slug, title = "subject_id_malformed", "Not an id"
    default_detail = "An id is a whole number or 1 to 128 visible ASCII characters."


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """One line of a policy; ``subject_id`` may be given as a number and is kept as text."""

    subject_kind: SubjectKind
    subject_id: RawId
    effect: Effect = Effect.ALLOW
    reach: Reach = Reach.EVERYWHERE

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject_id", normalise_subject_id(self.subject_id))

    @property
    def is_wildcard(self) -> bool:
        """Say whether the rule speaks of every subject of its kind."""
        return self.subject_id == WILDCARD


@dataclass(frozen=True, slots=True)
class ChannelPolicyValue:
    """The policy of one channel; without rules it lets nobody in."""

    channel_kind: ChannelKind
    direct_policy: DirectPolicy = DirectPolicy.PAIRING
    group_policy: GroupPolicy = GroupPolicy.ALLOWLIST
    rules: tuple[ChannelRule, ...] = ()
    group_gate: GroupGate = GroupGate.EITHER


@dataclass(frozen=True, slots=True)
class ChannelSender:
    """Who speaks, where. ``chat`` is the conversation; ``guild`` the server it belongs to, if there is one."""

    user: RawId | None = None
    guild: RawId | None = None
    chat: RawId | None = None
    is_direct: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        for name in ("user", "guild", "chat"):
            raw = getattr(self, name)
            object.__setattr__(self, name, None if raw is None else normalise_sender_id(raw))


@dataclass(frozen=True, slots=True)
class ChannelVerdict:
    """The answer, its reason, and the rule that decided it when one did."""

    allowed: bool
    reason: Reason
    rule: ChannelRule | None = None


def decide_channel(policy: ChannelPolicyValue | None, sender: ChannelSender) -> ChannelVerdict:
    """Decide whether ``sender`` may speak through the channel ``policy`` belongs to; None is an unknown channel."""
    if policy is None:
        return _refused(Reason.UNKNOWN_CHANNEL)
    denial = _first(rule for rule in policy.rules if rule.effect is Effect.DENY and _matches(rule, sender))
    if denial is not None:
        return _refused(Reason.DENIED_BY_RULE, denial)
    if _hides_from_denial(policy, sender):
        return _refused(Reason.SENDER_UNIDENTIFIED)
    return _decide_direct(policy, sender) if sender.is_direct else _decide_group(policy, sender)


def _decide_direct(policy: ChannelPolicyValue, sender: ChannelSender) -> ChannelVerdict:
    if policy.direct_policy is DirectPolicy.DISABLED:
        return _refused(Reason.DIRECT_DISABLED)
    rule = _allowing(policy, sender, (SubjectKind.USER, SubjectKind.CHAT))
    if rule is not None:
        return _allowed(Reason.ALLOWED_BY_RULE, rule)
    if policy.direct_policy is DirectPolicy.OPEN:
        return _decide_open(policy, sender, (SubjectKind.USER,))
    if policy.direct_policy is DirectPolicy.PAIRING:
        return _refused(Reason.PAIRING_REQUIRED)
    return _refused(Reason.NOT_ON_ALLOWLIST)


def _decide_group(policy: ChannelPolicyValue, sender: ChannelSender) -> ChannelVerdict:
    if policy.group_policy is GroupPolicy.DISABLED:
        return _refused(Reason.GROUP_DISABLED)
    place = _allowing(policy, sender, PLACES)
    person = _allowing(policy, sender, (SubjectKind.USER,))
    rule = person or place
    if rule is not None and (policy.group_gate is GroupGate.EITHER or (place and person)):
        return _allowed(Reason.ALLOWED_BY_RULE, rule)
    if policy.group_policy is GroupPolicy.OPEN:
        return _decide_open(policy, sender, (SubjectKind.USER, *PLACES))
    return _refused(Reason.NOT_ON_ALLOWLIST)


def _decide_open(policy: ChannelPolicyValue, sender: ChannelSender, kinds: tuple[SubjectKind, ...]) -> ChannelVerdict:
    wildcard = _allowing(policy, sender, kinds, wildcard=True)
    return _refused(Reason.OPEN_WITHOUT_WILDCARD) if wildcard is None else _allowed(Reason.OPEN_TO_ALL, wildcard)


def normalise_subject_id(raw: RawId) -> str:
    """Return the text form of a number or text, without surrounding blanks; raise ``SubjectIdMalformed``."""
    # True is an int to Python and never an id; a huge number cannot even be written out.
    if isinstance(raw, bool) or (isinstance(raw, int) and abs(raw) >= LARGEST_NUMBER):
        raise SubjectIdMalformed
    text = str(raw).strip(" \t\r\n")
    if not SUBJECT_ID.match(text):
        raise SubjectIdMalformed
    return text


def normalise_sender_id(raw: RawId) -> str:
    """Return a sender's id in the same form; nobody is called ``*``."""
    text = normalise_subject_id(raw)
    if text == WILDCARD:
        raise SubjectIdMalformed
    return text


PLACES = (SubjectKind.GUILD, SubjectKind.CHAT, SubjectKind.GROUP)


def _allowing(
    policy: ChannelPolicyValue, sender: ChannelSender, kinds: tuple[SubjectKind, ...], *, wildcard: bool = False
) -> ChannelRule | None:
    return _first(
        rule
        for rule in policy.rules
        if rule.effect is Effect.ALLOW
        and rule.subject_kind in kinds
        and rule.is_wildcard is wildcard
        and _reaches(rule, sender)
        and _matches(rule, sender)
    )


def _reaches(rule: ChannelRule, sender: ChannelSender) -> bool:
    return rule.reach in {Reach.EVERYWHERE, Reach.DIRECT if sender.is_direct else Reach.GROUP}


def _matches(rule: ChannelRule, sender: ChannelSender) -> bool:
    subject = _subject(rule.subject_kind, sender)
    return subject is not None and (rule.is_wildcard or rule.subject_id == subject)


def _subject(kind: SubjectKind, sender: ChannelSender) -> RawId | None:
    if kind is SubjectKind.USER:
        return sender.user
    if kind is SubjectKind.GUILD:
        return sender.guild
    return None if kind is SubjectKind.GROUP and sender.is_direct else sender.chat


def _hides_from_denial(policy: ChannelPolicyValue, sender: ChannelSender) -> bool:
    # Without its id a sender or group could be the very one a deny rule is about.
    denied_kinds = {rule.subject_kind for rule in policy.rules if rule.effect is Effect.DENY}
    if sender.user is None and (sender.is_direct or SubjectKind.USER in denied_kinds):
        return True
    return not sender.is_direct and sender.chat is None and bool(denied_kinds & {SubjectKind.CHAT, SubjectKind.GROUP})


def _allowed(reason: Reason, rule: ChannelRule) -> ChannelVerdict:
    return ChannelVerdict(allowed=True, reason=reason, rule=rule)


def _refused(reason: Reason, rule: ChannelRule | None = None) -> ChannelVerdict:
    return ChannelVerdict(allowed=False, reason=reason, rule=rule)


def _first(rules: Iterable[ChannelRule]) -> ChannelRule | None:
    return next(iter(rules), None)
