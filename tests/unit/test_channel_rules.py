"""Channel policies: the whole truth table of policy, rules and sender, and the laws that hold for every policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbac.channel_rules import (
    ChannelKind,
    ChannelPolicyValue,
    ChannelRule,
    ChannelSender,
    DirectPolicy,
    Effect,
    GroupGate,
    GroupPolicy,
    Reach,
    Reason,
    SubjectIdMalformed,
    SubjectKind,
    decide_channel,
    normalise_subject_id,
)
from tests.scale import scaled

USER, GUILD, CHAT, GROUP = SubjectKind


def allow(kind: SubjectKind, subject_id: str | int, reach: Reach = Reach.EVERYWHERE) -> ChannelRule:
    return ChannelRule(kind, subject_id, Effect.ALLOW, reach)


def deny(kind: SubjectKind, subject_id: str | int) -> ChannelRule:
    return ChannelRule(kind, subject_id, Effect.DENY)


def policy(
    *rules: ChannelRule, direct: str = "allowlist", group: str = "allowlist", gate: str = "either"
) -> ChannelPolicyValue:
    return ChannelPolicyValue(ChannelKind.TELEGRAM, DirectPolicy(direct), GroupPolicy(group), rules, GroupGate(gate))


ANN = ChannelSender(user=123456789, is_direct=True)
ANN_IN_GROUP = ChannelSender(user=123456789, guild="g1", chat="-100", is_direct=False)
NAMELESS = ChannelSender(guild="g1", chat="-100", is_direct=False)

DIRECT_TABLE = [
    # policy, rules, allowed, reason
    ("allowlist", [allow(USER, "123456789")], True, "allowed_by_rule"),
    ("allowlist", [allow(USER, "1")], False, "not_on_allowlist"),
    ("allowlist", [allow(USER, "*")], False, "not_on_allowlist"),
    ("allowlist", [], False, "not_on_allowlist"),
    ("allowlist", [allow(USER, "123456789", Reach.DIRECT)], True, "allowed_by_rule"),
    ("allowlist", [allow(USER, "123456789", Reach.GROUP)], False, "not_on_allowlist"),
    ("allowlist", [allow(GUILD, "123456789"), allow(GROUP, "123456789")], False, "not_on_allowlist"),
    ("pairing", [allow(USER, "123456789")], True, "allowed_by_rule"),
    ("pairing", [allow(USER, "*")], False, "pairing_required"),
    ("pairing", [], False, "pairing_required"),
    ("open", [allow(USER, "123456789")], True, "allowed_by_rule"),
    ("open", [allow(USER, "*")], True, "open_to_all"),
    ("open", [allow(USER, "*", Reach.GROUP)], False, "open_without_wildcard"),
    ("open", [allow(CHAT, "*")], False, "open_without_wildcard"),
    ("open", [], False, "open_without_wildcard"),
    ("disabled", [allow(USER, "123456789")], False, "direct_disabled"),
    ("disabled", [allow(USER, "*")], False, "direct_disabled"),
    ("allowlist", [allow(USER, "123456789"), deny(USER, "123456789")], False, "denied_by_rule"),
    ("open", [allow(USER, "*"), deny(USER, "123456789")], False, "denied_by_rule"),
    ("open", [allow(USER, "*"), deny(USER, "9")], True, "open_to_all"),
    ("allowlist", [allow(USER, "123456789"), deny(USER, "*")], False, "denied_by_rule"),
    ("disabled", [deny(USER, "123456789")], False, "denied_by_rule"),
    ("allowlist", [allow(USER, "123456789"), deny(CHAT, "-100"), deny(GUILD, "*")], True, "allowed_by_rule"),
]


@pytest.mark.parametrize(("direct", "rules", "allowed", "reason"), DIRECT_TABLE)
def test_decide_channel_direct_message(direct: str, rules: list[ChannelRule], allowed: bool, reason: str) -> None:
    verdict = decide_channel(policy(*rules, direct=direct, group="open"), ANN)
    assert (verdict.allowed, verdict.reason.value) == (allowed, reason)
    assert (verdict.rule is not None) is (allowed or reason == "denied_by_rule")


GROUP_TABLE = [
    # policy, gate, rules, allowed, reason
    ("allowlist", "either", [allow(GUILD, "g1")], True, "allowed_by_rule"),
    ("allowlist", "either", [allow(CHAT, -100)], True, "allowed_by_rule"),
    ("allowlist", "either", [allow(GROUP, -100)], True, "allowed_by_rule"),
    ("allowlist", "either", [allow(USER, 123456789)], True, "allowed_by_rule"),
    ("allowlist", "either", [allow(USER, 123456789, Reach.GROUP)], True, "allowed_by_rule"),
    ("allowlist", "either", [allow(USER, 123456789, Reach.DIRECT)], False, "not_on_allowlist"),
    ("allowlist", "either", [allow(GUILD, "g2"), allow(USER, 1)], False, "not_on_allowlist"),
    ("allowlist", "either", [allow(GUILD, "*"), allow(USER, "*")], False, "not_on_allowlist"),
    ("allowlist", "either", [], False, "not_on_allowlist"),
    ("allowlist", "both", [allow(GUILD, "g1"), allow(USER, 123456789)], True, "allowed_by_rule"),
    ("allowlist", "both", [allow(GUILD, "g1"), allow(USER, 1)], False, "not_on_allowlist"),
    ("allowlist", "both", [allow(GUILD, "g2"), allow(USER, 123456789)], False, "not_on_allowlist"),
    ("allowlist", "both", [allow(GUILD, "g1")], False, "not_on_allowlist"),
    ("allowlist", "both", [allow(USER, 123456789)], False, "not_on_allowlist"),
    ("open", "either", [allow(GUILD, "*")], True, "open_to_all"),
    ("open", "either", [allow(GROUP, "*")], True, "open_to_all"),
    ("open", "either", [allow(USER, "*")], True, "open_to_all"),
    ("open", "both", [allow(CHAT, "*")], True, "open_to_all"),
    ("open", "either", [allow(USER, "*", Reach.DIRECT)], False, "open_without_wildcard"),
    ("open", "either", [], False, "open_without_wildcard"),
    ("open", "either", [allow(GUILD, "g1")], True, "allowed_by_rule"),
    ("open", "both", [allow(GUILD, "g1")], False, "open_without_wildcard"),
    ("disabled", "either", [allow(GUILD, "g1"), allow(GUILD, "*")], False, "group_disabled"),
    ("allowlist", "either", [allow(GUILD, "g1"), deny(USER, 123456789)], False, "denied_by_rule"),
    ("allowlist", "either", [allow(USER, 123456789), deny(GUILD, "g1")], False, "denied_by_rule"),
    ("allowlist", "either", [allow(USER, 123456789), deny(GROUP, -100)], False, "denied_by_rule"),
    ("open", "either", [allow(GUILD, "*"), deny(CHAT, "*")], False, "denied_by_rule"),
    ("open", "either", [allow(GUILD, "*"), deny(USER, 1), deny(CHAT, 2), deny(GUILD, 3)], True, "open_to_all"),
]


@pytest.mark.parametrize(("group", "gate", "rules", "allowed", "reason"), GROUP_TABLE)
def test_decide_channel_group(group: str, gate: str, rules: list[ChannelRule], allowed: bool, reason: str) -> None:
    verdict = decide_channel(policy(*rules, direct="open", group=group, gate=gate), ANN_IN_GROUP)
    assert (verdict.allowed, verdict.reason.value) == (allowed, reason)


def test_reasons_are_all_reached() -> None:
    reached = {row[-1] for row in DIRECT_TABLE} | {row[-1] for row in GROUP_TABLE}
    assert reached | {"unknown_channel", "sender_unidentified"} == {reason.value for reason in Reason}


@pytest.mark.parametrize("sender", [ANN, ANN_IN_GROUP, NAMELESS])
def test_decide_channel_unknown_channel_is_denied(sender: ChannelSender) -> None:
    verdict = decide_channel(None, sender)
    assert (verdict.allowed, verdict.reason, verdict.rule) == (False, Reason.UNKNOWN_CHANNEL, None)


@pytest.mark.parametrize("subject_id", [123456789, "123456789", " 123456789 "])
@pytest.mark.parametrize("user", [123456789, "123456789"])
def test_decide_channel_number_and_text_are_one_id(subject_id: str | int, user: str | int) -> None:
    asked = policy(allow(USER, subject_id))
    assert decide_channel(asked, ChannelSender(user=user, is_direct=True)).allowed
    assert not decide_channel(asked, ChannelSender(user=987654321, is_direct=True)).allowed


@pytest.mark.parametrize(
    ("rules", "sender", "reason"),
    [
        ([allow(USER, "*")], ChannelSender(is_direct=True), Reason.SENDER_UNIDENTIFIED),
        ([allow(CHAT, "5")], ChannelSender(chat=5, is_direct=True), Reason.SENDER_UNIDENTIFIED),
        ([allow(GUILD, "g1"), deny(USER, 1)], NAMELESS, Reason.SENDER_UNIDENTIFIED),
        ([allow(GUILD, "g1"), deny(GROUP, 1)], ChannelSender(guild="g1", is_direct=False), Reason.SENDER_UNIDENTIFIED),
        ([allow(GUILD, "g1"), deny(CHAT, 1)], ChannelSender(guild="g1", is_direct=False), Reason.SENDER_UNIDENTIFIED),
        ([allow(GUILD, "g1"), deny(GUILD, "g2")], NAMELESS, Reason.ALLOWED_BY_RULE),
        ([allow(GUILD, "g1")], ChannelSender(guild="g1", is_direct=False), Reason.ALLOWED_BY_RULE),
    ],
)
def test_decide_channel_nameless_sender_cannot_slip_past_a_deny_rule(
    rules: list[ChannelRule], sender: ChannelSender, reason: Reason
) -> None:
    assert decide_channel(policy(*rules, direct="open"), sender).reason is reason


def test_decide_channel_chat_rule_opens_that_direct_conversation() -> None:
    sender = ChannelSender(user="U1", chat="D1", is_direct=True)
    verdict = decide_channel(policy(allow(CHAT, "D1")), sender)
    assert verdict.allowed
    assert verdict.rule == allow(CHAT, "D1")


def test_decide_channel_deny_names_the_rule() -> None:
    verdict = decide_channel(policy(allow(USER, "*"), deny(USER, "123456789"), direct="open"), ANN)
    assert verdict.rule == deny(USER, 123456789)


@pytest.mark.parametrize("raw", ["", " ", "a b", "é", "a\x00", "x" * 129, True, False, "\ud800"])
def test_normalise_subject_id_refuses_what_is_no_id(raw: str | int) -> None:
    with pytest.raises(SubjectIdMalformed):
        normalise_subject_id(raw)


@pytest.mark.parametrize("exponent", [40, 5000])
def test_normalise_subject_id_refuses_huge_numbers(exponent: int) -> None:
    for number in (10**exponent, -(10**exponent)):
        with pytest.raises(SubjectIdMalformed):
            normalise_subject_id(number)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (0, "0"),
        (-100, "-100"),
        (" 7\n", "7"),
        ("x" * 128, "x" * 128),
        ("1@s.whatsapp.net", "1@s.whatsapp.net"),
        ("*", "*"),
    ],
)
def test_normalise_subject_id_keeps_ids(raw: str | int, text: str) -> None:
    assert normalise_subject_id(raw) == text


@pytest.mark.parametrize("name", ["user", "guild", "chat"])
def test_sender_called_wildcard_is_refused(name: str) -> None:
    with pytest.raises(SubjectIdMalformed):
        ChannelSender(**{name: "*"}, is_direct=False)


ids = st.sampled_from(["1", "2", 1, 2])
rules = st.lists(
    st.builds(
        ChannelRule,
        subject_kind=st.sampled_from(SubjectKind),
        subject_id=st.one_of(ids, st.just("*")),
        effect=st.sampled_from(Effect),
        reach=st.sampled_from(Reach),
    ),
    max_size=5,
).map(tuple)
policies = st.builds(
    ChannelPolicyValue,
    channel_kind=st.sampled_from(ChannelKind),
    direct_policy=st.sampled_from(DirectPolicy),
    group_policy=st.sampled_from(GroupPolicy),
    rules=rules,
    group_gate=st.sampled_from(GroupGate),
)
maybe = st.one_of(st.none(), ids)
senders = st.builds(ChannelSender, user=maybe, guild=maybe, chat=maybe, is_direct=st.booleans())


@settings(max_examples=scaled(75, 300))
@given(policies, senders, st.sampled_from(SubjectKind), ids)
def test_decide_channel_adding_a_deny_rule_never_opens(
    asked: ChannelPolicyValue, sender: ChannelSender, kind: SubjectKind, subject_id: str | int
) -> None:
    stricter = replace(asked, rules=(*asked.rules, deny(kind, subject_id)))
    if decide_channel(stricter, sender).allowed:
        assert decide_channel(asked, sender).allowed


@settings(max_examples=scaled(75, 300))
@given(policies, senders)
def test_decide_channel_order_of_rules_does_not_matter(asked: ChannelPolicyValue, sender: ChannelSender) -> None:
    backwards = replace(asked, rules=asked.rules[::-1])
    assert decide_channel(asked, sender).allowed is decide_channel(backwards, sender).allowed


@settings(max_examples=scaled(75, 300))
@given(policies, senders)
def test_decide_channel_needing_both_never_opens_more_than_either(
    asked: ChannelPolicyValue, sender: ChannelSender
) -> None:
    both, either = (replace(asked, group_gate=gate) for gate in (GroupGate.BOTH, GroupGate.EITHER))
    if decide_channel(both, sender).allowed:
        assert decide_channel(either, sender).allowed
