"""Writes a channel policy in the shape each product reads, naming only settings its strict schema knows. PURE.

openclaw keeps direct messages at the top of a channel; clawdbot, OpenSoul and ArgentOS keep those of Discord and Slack
under ``dm``. An export never lets in anybody the policy keeps out: what a product cannot say is closed and reported.
Seed names such as ``allowedUsers`` are read on import and never written, because unknown settings stop a gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from authsvc.web.problems import ValidationFailed
from rbac.channel_formats import PLACE_SETTINGS, PLACES_ONLY, Finding, FindingCode
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
    SubjectKind,
)

Document = dict[str, object]


class Product(StrEnum):
    """The products whose channel settings can be written."""

    OPENCLAW = "openclaw"
    CLAWDBOT = "clawdbot"
    OPENSOUL = "opensoul"
    ARGENTOS = "argentos"


class ChannelNotExportable(ValidationFailed):
    """The channel kind is this service's own; no product has settings for it."""

    slug, title = "channel_not_exportable", "No product has this channel"
    default_detail = "A generic channel cannot be written as a product's settings."


@dataclass(frozen=True, slots=True)
class ExportedChannel:
    """The settings to merge into ``channels.<kind>`` and what could not be said in them."""

    document: Document
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """The ids a policy comes down to once its deny rules are applied."""

    writers: list[str]
    speakers: list[str]
    places: list[str]
    denies_people: bool
    denies_places: bool
    hides_denied_direct: bool
    hides_denied_place: bool
    has_direct_wildcard: bool
    has_group_wildcard: bool


def export_channel(policy: ChannelPolicyValue, product: Product) -> ExportedChannel:
    """Return the product's settings for this channel; raise ``ChannelNotExportable`` for a generic one."""
    if policy.channel_kind is ChannelKind.GENERIC:
        raise ChannelNotExportable
    findings: list[Finding] = []
    lists = _lists(policy, findings)
    direct = _direct(policy, lists, findings)
    group = _group(policy, lists, findings)
    if product is not Product.OPENCLAW and policy.channel_kind in PLACES_ONLY:
        names = {"dmPolicy": "policy", "allowFrom": "allowFrom"}
        direct = {"dm": {names[name]: value for name, value in direct.items()}}
    return ExportedChannel({**direct, **group}, tuple(findings))


def _direct(policy: ChannelPolicyValue, lists: Lists, findings: list[Finding]) -> Document:
    wanted = policy.direct_policy
    if lists.hides_denied_direct and wanted is not DirectPolicy.DISABLED:
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, "dmPolicy"))
        return {"dmPolicy": DirectPolicy.DISABLED.value}
    if wanted is DirectPolicy.OPEN and not lists.has_direct_wildcard:
        wanted = DirectPolicy.ALLOWLIST
    if wanted in {DirectPolicy.OPEN, DirectPolicy.PAIRING} and lists.denies_people:
        # The products know no deny list: a denied person could walk in, or be given a code.
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, "dmPolicy"))
        wanted = DirectPolicy.ALLOWLIST
    if wanted is DirectPolicy.ALLOWLIST and not lists.writers:
        # Their schema refuses an empty allow list.
        findings.append(Finding(FindingCode.NOBODY_LISTED, "dmPolicy"))
        wanted = DirectPolicy.DISABLED
    if wanted is DirectPolicy.DISABLED:
        return {"dmPolicy": wanted.value}
    listed = [WILDCARD, *lists.writers] if wanted is DirectPolicy.OPEN else lists.writers
    return {"dmPolicy": wanted.value, **({"allowFrom": listed} if listed else {})}


def _group(policy: ChannelPolicyValue, lists: Lists, findings: list[Finding]) -> Document:
    if policy.group_policy is GroupPolicy.DISABLED:
        return CLOSED
    if lists.hides_denied_place:
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, "groupPolicy"))
        return CLOSED
    if policy.group_policy is GroupPolicy.OPEN and lists.has_group_wildcard:
        if not lists.denies_people and not lists.denies_places:
            return {"groupPolicy": GroupPolicy.OPEN.value}
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, "groupPolicy"))
    listed = _listed_places(policy, lists, findings) if policy.channel_kind in PLACES_ONLY else None
    listed = _listed_people(policy, lists, findings) if listed is None else listed
    if not listed:
        findings.append(Finding(FindingCode.NOBODY_LISTED, "groupPolicy"))
        return CLOSED
    return {"groupPolicy": GroupPolicy.ALLOWLIST.value, **listed}


def _listed_places(policy: ChannelPolicyValue, lists: Lists, findings: list[Finding]) -> Document:
    """Discord and Slack: places, each with its own list of people when both are needed."""
    name, _ = PLACE_SETTINGS[policy.channel_kind]
    if policy.group_gate is GroupGate.BOTH:
        entries = {place: _entry(policy, users=lists.speakers) for place in lists.places if lists.speakers}
        return {name: entries} if entries else {}
    if lists.speakers:
        findings.append(Finding(FindingCode.RULE_NOT_EXPRESSIBLE, SubjectKind.USER.value))
    if lists.denies_people:
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, name))
        return {}
    return {name: {place: _entry(policy, users=[]) for place in lists.places}} if lists.places else {}


def _listed_people(policy: ChannelPolicyValue, lists: Lists, findings: list[Finding]) -> Document:
    """Telegram, WhatsApp and Signal: people for all groups, and places that narrow them."""
    needs_both = policy.group_gate is GroupGate.BOTH
    if lists.speakers and lists.places:
        if not needs_both:
            findings.append(Finding(FindingCode.NARROWER, "groups"))
        return {"groupAllowFrom": lists.speakers, "groups": {place: {} for place in lists.places}}
    if needs_both:
        return {}
    if lists.denies_places if lists.speakers else lists.denies_people:
        findings.append(Finding(FindingCode.DENY_NOT_EXPRESSIBLE, "groups"))
        return {}
    if lists.speakers:
        return {"groupAllowFrom": lists.speakers}
    return {"groupAllowFrom": [WILDCARD], "groups": {place: {} for place in lists.places}} if lists.places else {}


def _entry(policy: ChannelPolicyValue, users: list[str]) -> Document:
    switched_on: Document = {"enabled": True} if policy.channel_kind is ChannelKind.SLACK else {}
    return {**switched_on, **({"users": users} if users else {})}


def _lists(policy: ChannelPolicyValue, findings: list[Finding]) -> Lists:
    denied = [rule for rule in policy.rules if rule.effect is Effect.DENY]
    allowed = [rule for rule in policy.rules if rule.effect is Effect.ALLOW]
    # A conversation of two carries the person's id on Telegram, WhatsApp and Signal, so denying it denies the person.
    against_people = [rule for rule in denied if rule.subject_kind in {SubjectKind.USER, SubjectKind.CHAT}]
    against_places = [rule for rule in denied if rule.subject_kind is not SubjectKind.USER]
    people = [rule for rule in allowed if rule.subject_kind is SubjectKind.USER]
    writers = [rule for rule in people if rule.reach is not Reach.GROUP]
    speakers = [rule for rule in people if rule.reach is not Reach.DIRECT]
    places = _places(policy.channel_kind, allowed, findings)
    return Lists(
        writers=_spared(writers, against_people),
        speakers=_spared(speakers, [rule for rule in denied if rule.subject_kind is SubjectKind.USER]),
        places=_spared(places, against_places),
        denies_people=bool(against_people),
        denies_places=bool(against_places),
        hides_denied_direct=policy.channel_kind in PLACES_ONLY and SubjectKind.CHAT in _kinds(denied),
        hides_denied_place=not _kinds(against_places) <= PLACE_KINDS[policy.channel_kind],
        has_direct_wildcard=any(rule.is_wildcard for rule in writers),
        has_group_wildcard=any(rule.is_wildcard for rule in (*speakers, *_group_rules(allowed))),
    )


def _places(kind: ChannelKind, allowed: list[ChannelRule], findings: list[Finding]) -> list[ChannelRule]:
    places = [rule for rule in _group_rules(allowed) if not rule.is_wildcard]
    sayable = [rule for rule in places if rule.subject_kind in PLACE_KINDS[kind]]
    if len(sayable) < len(places):
        findings.append(Finding(FindingCode.RULE_NOT_EXPRESSIBLE, kind.value))
    return sayable


def _group_rules(allowed: list[ChannelRule]) -> list[ChannelRule]:
    return [rule for rule in allowed if rule.subject_kind is not SubjectKind.USER and rule.reach is not Reach.DIRECT]


def _kinds(rules: list[ChannelRule]) -> set[SubjectKind]:
    return {rule.subject_kind for rule in rules}


def _spared(rules: list[ChannelRule], denials: list[ChannelRule]) -> list[str]:
    if any(denial.is_wildcard for denial in denials):
        return []
    denied_ids = {denial.subject_id for denial in denials}
    ids = (str(rule.subject_id) for rule in rules if not rule.is_wildcard and rule.subject_id not in denied_ids)
    return list(dict.fromkeys(ids))


CLOSED: Document = {"groupPolicy": GroupPolicy.DISABLED.value}

_CONVERSATIONS = frozenset({SubjectKind.CHAT, SubjectKind.GROUP})
# Signal's older schema has no list of groups, so none is written for any version.
PLACE_KINDS: Mapping[ChannelKind, frozenset[SubjectKind]] = MappingProxyType(
    {
        ChannelKind.TELEGRAM: _CONVERSATIONS,
        ChannelKind.WHATSAPP: _CONVERSATIONS,
        ChannelKind.SLACK: _CONVERSATIONS,
        ChannelKind.DISCORD: frozenset({SubjectKind.GUILD}),
        ChannelKind.SIGNAL: frozenset(),
    }
)
