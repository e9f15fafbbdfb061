"""Reads the channel settings of other products into a channel policy, with a finding for all that was left out. PURE.

Two families of names are understood: ``allowedUsers`` and ``allowedGuilds``, and the settings openclaw and its
relatives share (``dmPolicy``, ``allowFrom``, ``groupPolicy``, ``groupAllowFrom``, ``groups``, ``guilds``,
``channels``). An import never lets in anybody the source kept out: what cannot be said exactly is dropped and
reported. Values of unknown settings are never looked at, since tokens live among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TypeVar

from rbac.channel_rules import (
    WILDCARD,
    ChannelKind,
    ChannelPolicyValue,
    ChannelRule,
    DirectPolicy,
    Effect,
    GroupGate,
    GroupPolicy,
    Reach,
    SubjectIdMalformed,
    SubjectKind,
    normalise_subject_id,
)

Policy = TypeVar("Policy", bound=Enum)


class FindingCode(StrEnum):
    """What an import or an export could not carry over as it was."""

    NOT_AN_OBJECT = "not_an_object"
    MIXED_FORMATS = "mixed_formats"
    UNKNOWN_SETTING = "unknown_setting"
    UNKNOWN_POLICY = "unknown_policy"
    NOT_A_LIST = "not_a_list"
    NOT_AN_ID = "not_an_id"
    NAME_NOT_ID = "name_not_id"
    ACCESS_GROUP = "access_group"
    WILDCARD_NEEDS_OPEN = "wildcard_needs_open"
    PLACE_NARROWED = "place_narrowed"
    SWITCHED_OFF = "switched_off"
    DENY_NOT_EXPRESSIBLE = "deny_not_expressible"
    RULE_NOT_EXPRESSIBLE = "rule_not_expressible"
    NARROWER = "narrower"
    NOBODY_LISTED = "nobody_listed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the administrator; ``path`` names the setting or the entry, never a secret."""

    code: FindingCode
    path: str


@dataclass(frozen=True, slots=True)
class ImportedChannel:
    """The policy that was read and what did not fit into it."""

    policy: ChannelPolicyValue
    findings: tuple[Finding, ...]


def import_channel(kind: ChannelKind, document: object) -> ImportedChannel:
    """Read one channel's settings; whatever they hold, the answer is a policy, closed where nothing was said."""
    if not isinstance(document, Mapping):
        return _closed(kind, FindingCode.NOT_AN_OBJECT)
    settings = {str(name): value for name, value in document.items()}
    is_seed = not SEED_NAMES.keys().isdisjoint(settings)
    if is_seed and not FAMILY_NAMES.isdisjoint(settings):
        # No product reads both; taking one half could open what the other half closes.
        return _closed(kind, FindingCode.MIXED_FORMATS)
    findings = [Finding(FindingCode.UNKNOWN_SETTING, name) for name in settings if name not in UNDERSTOOD]
    read = _read_seed if is_seed else _read_family
    return ImportedChannel(_switched(read(kind, settings, findings), settings, findings), tuple(findings))


def _read_seed(kind: ChannelKind, settings: Mapping[str, object], findings: list[Finding]) -> ChannelPolicyValue:
    rules = [
        ChannelRule(subject_kind, subject_id)
        for name, subject_kind in SEED_NAMES.items()
        for subject_id in _ids(settings.get(name), name, findings)
    ]
    return ChannelPolicyValue(kind, DirectPolicy.ALLOWLIST, GroupPolicy.ALLOWLIST, _without_wildcards(rules, findings))


def _read_family(kind: ChannelKind, settings: Mapping[str, object], findings: list[Finding]) -> ChannelPolicyValue:
    nested = settings.get("dm")
    direct = {str(name): value for name, value in nested.items()} if isinstance(nested, Mapping) else {}
    raw_policy = settings.get("dmPolicy", direct.get("policy", DirectPolicy.PAIRING.value))
    direct_policy = _policy(DirectPolicy, raw_policy, DirectPolicy.DISABLED, "dmPolicy", findings)
    if direct.get("enabled", True) is not True:
        direct_policy = DirectPolicy.DISABLED
    writers = _ids(settings.get("allowFrom", direct.get("allowFrom")), "allowFrom", findings)
    people = [ChannelRule(SubjectKind.USER, writer, reach=Reach.DIRECT) for writer in writers]
    if direct_policy is not DirectPolicy.OPEN:
        people = list(_without_wildcards(people, findings))
    group_policy, group_gate, group_rules = _read_groups(kind, settings, writers, findings)
    return ChannelPolicyValue(kind, direct_policy, group_policy, (*people, *group_rules), group_gate)


GroupReading = tuple[GroupPolicy, GroupGate, tuple[ChannelRule, ...]]


def _read_groups(
    kind: ChannelKind, settings: Mapping[str, object], writers: list[str], findings: list[Finding]
) -> GroupReading:
    raw_policy = settings.get("groupPolicy", GroupPolicy.ALLOWLIST.value)
    policy = _policy(GroupPolicy, raw_policy, GroupPolicy.DISABLED, "groupPolicy", findings)
    name, subject_kind = PLACE_SETTINGS.get(kind, ("groups", SubjectKind.GROUP))
    places = _places(settings.get(name), name, subject_kind, findings)
    denied = tuple(place for place in places if place.effect is Effect.DENY)
    allowed = tuple(place for place in places if place.effect is Effect.ALLOW and not place.is_wildcard)
    # Named places shut out all others, unless a wildcard stands beside them.
    is_listed = name in settings and len(allowed) + len(denied) == len(places)
    if policy is GroupPolicy.OPEN and not is_listed:
        return policy, GroupGate.EITHER, (*denied, ChannelRule(subject_kind, WILDCARD, reach=Reach.GROUP))
    if policy is not GroupPolicy.ALLOWLIST or kind in PLACES_ONLY:
        closed_or_listed = GroupPolicy.ALLOWLIST if policy is GroupPolicy.OPEN else policy
        return closed_or_listed, GroupGate.EITHER, (*denied, *allowed)
    # Without a list of its own, a group listens to those who may write directly.
    speakers = _ids(settings.get("groupAllowFrom"), "groupAllowFrom", findings) or writers
    if is_listed and WILDCARD in speakers:
        return policy, GroupGate.EITHER, (*denied, *allowed)
    rules = [ChannelRule(SubjectKind.USER, speaker, reach=Reach.GROUP) for speaker in speakers]
    people = _without_wildcards(rules, findings)
    return policy, *(
        (GroupGate.BOTH, (*denied, *allowed, *people)) if is_listed else (GroupGate.EITHER, (*denied, *people))
    )


def _places(raw: object, name: str, kind: SubjectKind, findings: list[Finding]) -> tuple[ChannelRule, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, Mapping):
        findings.append(Finding(FindingCode.NOT_A_LIST, name))
        return ()
    entries = {str(key): value for key, value in raw.items()}
    return tuple(rule for key, value in entries.items() for rule in _place(key, value, name, kind, findings))


def _place(key: str, value: object, name: str, kind: SubjectKind, findings: list[Finding]) -> Iterator[ChannelRule]:
    path = f"{name}.{key}"
    details = {str(each): detail for each, detail in value.items()} if isinstance(value, Mapping) else {}
    if details.get("enabled", True) is not True or details.get("allow", True) is not True:
        findings.append(Finding(FindingCode.SWITCHED_OFF, path))
        yield from (ChannelRule(kind, subject_id, Effect.DENY) for subject_id in _ids([key], name, findings))
    elif NARROWING & set(details):
        # Some people in this place only: to let in everybody there would be more than the source allows.
        findings.append(Finding(FindingCode.PLACE_NARROWED, path))
    else:
        yield from (ChannelRule(kind, subject_id, reach=Reach.GROUP) for subject_id in _ids([key], name, findings))


def _ids(raw: object, name: str, findings: list[Finding]) -> list[str]:
    if raw is None:
        return []
    if not isinstance(raw, list | tuple):
        findings.append(Finding(FindingCode.NOT_A_LIST, name))
        return []
    read = [_id(entry, f"{name}[{index}]", findings) for index, entry in enumerate(raw)]
    return list(dict.fromkeys(entry for entry in read if entry))


def _id(raw: object, path: str, findings: list[Finding]) -> str:
    problem, text = FindingCode.NOT_AN_ID, ""
    if isinstance(raw, int | str):
        try:
            text = PREFIX.sub("", normalise_subject_id(raw))
        except SubjectIdMalformed:
            text = ""
    if text.startswith(ACCESS_GROUP_PREFIX):
        problem, text = FindingCode.ACCESS_GROUP, ""
    elif text.startswith("@"):
        # Whoever takes over a freed user name would be let in.
        problem, text = FindingCode.NAME_NOT_ID, ""
    if not text:
        findings.append(Finding(problem, path))
    return text


def _policy(family: type[Policy], raw: object, fallback: Policy, name: str, findings: list[Finding]) -> Policy:
    for member in family:
        if member.value == raw:
            return member
    findings.append(Finding(FindingCode.UNKNOWN_POLICY, name))
    return fallback


def _without_wildcards(rules: list[ChannelRule], findings: list[Finding]) -> tuple[ChannelRule, ...]:
    findings += [
        Finding(FindingCode.WILDCARD_NEEDS_OPEN, rule.subject_kind.value) for rule in rules if rule.is_wildcard
    ]
    return tuple(rule for rule in rules if not rule.is_wildcard)


def _switched(
    policy: ChannelPolicyValue, settings: Mapping[str, object], findings: list[Finding]
) -> ChannelPolicyValue:
    if settings.get("enabled", True) is True:
        return policy
    findings.append(Finding(FindingCode.SWITCHED_OFF, policy.channel_kind.value))
    return replace(policy, direct_policy=DirectPolicy.DISABLED, group_policy=GroupPolicy.DISABLED)


def _closed(kind: ChannelKind, code: FindingCode) -> ImportedChannel:
    policy = ChannelPolicyValue(kind, DirectPolicy.DISABLED, GroupPolicy.DISABLED)
    return ImportedChannel(policy, (Finding(code, kind.value),))


SEED_NAMES: Mapping[str, SubjectKind] = MappingProxyType(
    {"allowedUsers": SubjectKind.USER, "allowedGuilds": SubjectKind.GUILD}
)
FAMILY_NAMES = frozenset(
    {"dmPolicy", "allowFrom", "dm", "groupPolicy", "groupAllowFrom", "groups", "guilds", "channels"}
)
UNDERSTOOD = FAMILY_NAMES | set(SEED_NAMES) | {"enabled"}

# Where each product keeps the places of a channel, and what kind of subject they are.
PLACE_SETTINGS: Mapping[ChannelKind, tuple[str, SubjectKind]] = MappingProxyType(
    {
        ChannelKind.DISCORD: ("guilds", SubjectKind.GUILD),
        ChannelKind.SLACK: ("channels", SubjectKind.CHAT),
    }
)
# In these, a listed place is enough; they know no list of people for all groups.
PLACES_ONLY = frozenset({ChannelKind.DISCORD, ChannelKind.SLACK})
NARROWING = frozenset({"users", "roles", "channels", "allowFrom", "groupPolicy", "topics"})

PREFIX = re.compile(r"^(?:telegram|tg|discord|slack|whatsapp|signal|user):(?=.)", re.IGNORECASE)
ACCESS_GROUP_PREFIX = "accessGroup:"
