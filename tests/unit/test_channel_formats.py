"""Channel settings of other products: read without ever opening more, written with known settings only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbac.channel_exports import ChannelNotExportable, Product, export_channel
from rbac.channel_formats import FindingCode, ImportedChannel, import_channel
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
    SubjectKind,
    decide_channel,
)
from tests.scale import scaled

USER, GUILD, CHAT, GROUP = SubjectKind
TELEGRAM, DISCORD, SLACK, WHATSAPP, SIGNAL, GENERIC = ChannelKind


def direct(imported: ImportedChannel, user: str | int) -> bool:
    return decide_channel(imported.policy, ChannelSender(user=user, is_direct=True)).allowed


def group(imported: ImportedChannel, user: str | int, chat: str | int, guild: str | int | None = None) -> bool:
    sender = ChannelSender(user=user, chat=chat, guild=guild, is_direct=False)
    return decide_channel(imported.policy, sender).allowed


def codes(imported: ImportedChannel) -> list[str]:
    return [finding.code.value for finding in imported.findings]


def test_import_telegram_allowed_users_as_numbers() -> None:
    imported = import_channel(TELEGRAM, {"allowedUsers": [123456789, "42"]})
    assert imported.findings == ()
    assert direct(imported, "123456789")
    assert direct(imported, 42)
    assert not direct(imported, 987654321)


def test_import_discord_allowed_guilds_as_text() -> None:
    imported = import_channel(DISCORD, {"allowedGuilds": ["1122"]})
    assert group(imported, user=5, chat=6, guild=1122)
    assert not group(imported, user=5, chat=1122, guild="3344")
    assert not direct(imported, 1122)


@pytest.mark.parametrize(
    ("kind", "document", "expected"),
    [
        (TELEGRAM, {"allowedUsers": ["*"]}, ["wildcard_needs_open"]),
        (TELEGRAM, {"allowedUsers": [True, 1.5, None, {"id": 1}, "", "a b"]}, ["not_an_id"] * 6),
        (TELEGRAM, {"allowedUsers": "123"}, ["not_a_list"]),
        (
            TELEGRAM,
            {"allowFrom": ["@ann", "tg:@ann", "accessGroup:team"]},
            ["name_not_id", "name_not_id", "access_group"],
        ),
        (TELEGRAM, {"botToken": "123:FAKE"}, ["unknown_setting"]),
        (TELEGRAM, {"dmPolicy": "anyone", "groupPolicy": 7}, ["unknown_policy", "unknown_policy"]),
        (TELEGRAM, {"groups": ["-1"], "groupAllowFrom": [1]}, ["not_a_list"]),
        (TELEGRAM, {"groups": {"a b": {}}, "groupAllowFrom": [1]}, ["not_an_id"]),
        (TELEGRAM, {"enabled": False, "allowFrom": [1]}, ["switched_off"]),
        (TELEGRAM, {"allowedUsers": [1], "groupPolicy": "disabled"}, ["mixed_formats"]),
        (TELEGRAM, ["allowedUsers"], ["not_an_object"]),
        (TELEGRAM, None, ["not_an_object"]),
        (DISCORD, {"guilds": {"1": {"users": ["2"]}}}, ["place_narrowed"]),
        (SLACK, {"channels": {"C1": {"allow": False}}}, ["switched_off"]),
    ],
)
def test_import_reports_what_it_leaves_out(kind: ChannelKind, document: object, expected: list[str]) -> None:
    imported = import_channel(kind, document)
    assert codes(imported) == expected
    assert not direct(imported, 1)
    assert not group(imported, user=1, chat="-2", guild="1")


def test_import_findings_never_hold_a_value_of_an_unknown_setting() -> None:
    imported = import_channel(TELEGRAM, {"botToken": "123:FAKE", "allowFrom": [1]})
    assert "FAKE" not in repr(imported)


@pytest.mark.parametrize(
    ("document", "direct_user", "listed_group", "other_group", "other_user"),
    [
        # allowFrom [1]: user 1 directly; in groups user 1 or 2, as the settings say; groups -5 and -6.
        ({"allowFrom": [1]}, True, True, True, False),
        ({"allowFrom": [1], "groups": {"*": {"requireMention": True}}}, True, True, True, False),
        ({"allowFrom": [1], "groups": {"-5": {}}}, True, True, False, False),
        ({"allowFrom": [1], "groups": {"-5": {}}, "groupAllowFrom": ["*"]}, True, True, False, True),
        ({"allowFrom": [1], "groups": {"-5": {}}, "groupPolicy": "open"}, True, True, False, True),
        ({"allowFrom": [1], "groups": {"-5": {}}, "groupPolicy": "disabled"}, True, False, False, False),
        ({"allowFrom": [1], "groups": {}}, True, False, False, False),
        ({"allowFrom": [1], "groupPolicy": "open"}, True, True, True, True),
        ({"allowFrom": [1], "groups": {"*": {}, "-6": {"enabled": False}}}, True, True, False, False),
        ({"allowFrom": [1], "groups": {"*": {"enabled": False}}}, True, False, False, False),
        ({"dmPolicy": "disabled", "groupAllowFrom": [1]}, False, True, True, False),
        ({"dmPolicy": "open", "allowFrom": ["*"], "groupPolicy": "disabled"}, True, False, False, False),
        ({"dmPolicy": "open", "groupPolicy": "disabled"}, False, False, False, False),
        ({"dmPolicy": "allowlist", "allowFrom": ["*", "telegram:1"]}, True, True, True, False),
    ],
)
def test_import_telegram_settings_mean_what_they_meant(
    document: object, direct_user: bool, listed_group: bool, other_group: bool, other_user: bool
) -> None:
    imported = import_channel(TELEGRAM, document)
    assert direct(imported, 1) is direct_user
    assert group(imported, user=1, chat=-5) is listed_group
    assert group(imported, user=1, chat=-6) is other_group
    assert group(imported, user=2, chat=-5) is other_user


@pytest.mark.parametrize(
    "document",
    [
        {"dmPolicy": "allowlist", "allowFrom": ["7"], "guilds": {"1": {"slug": "home"}}},
        {"dm": {"policy": "allowlist", "allowFrom": [7]}, "guilds": {"1": {}}},
        {"dm": {"policy": "allowlist", "allowFrom": [7]}, "guilds": {"1": {}}, "groupPolicy": "open"},
    ],
)
def test_import_discord_old_and_new_place_of_direct_settings(document: object) -> None:
    imported = import_channel(DISCORD, document)
    assert direct(imported, 7)
    assert group(imported, user=9, chat=3, guild=1)
    assert not group(imported, user=7, chat=3, guild=2)
    assert imported.policy.direct_policy is DirectPolicy.ALLOWLIST


def test_import_discord_open_to_every_guild() -> None:
    imported = import_channel(DISCORD, {"groupPolicy": "open"})
    assert group(imported, user=9, chat=3, guild=1)


def test_import_direct_messages_switched_off() -> None:
    imported = import_channel(DISCORD, {"dm": {"enabled": False, "allowFrom": ["7"]}})
    assert imported.policy.direct_policy is DirectPolicy.DISABLED


def allow(kind: SubjectKind, subject_id: str | int, reach: Reach = Reach.EVERYWHERE) -> ChannelRule:
    return ChannelRule(kind, subject_id, Effect.ALLOW, reach)


def deny(kind: SubjectKind, subject_id: str | int) -> ChannelRule:
    return ChannelRule(kind, subject_id, Effect.DENY)


def policy(
    kind: ChannelKind, *rules: ChannelRule, direct: str = "allowlist", group: str = "allowlist", gate: str = "either"
) -> ChannelPolicyValue:
    return ChannelPolicyValue(kind, DirectPolicy(direct), GroupPolicy(group), rules, GroupGate(gate))


OFF: dict[str, object] = {"groupPolicy": "disabled"}
NOBODY: dict[str, object] = {"dmPolicy": "disabled", **OFF}

EXPORTS: list[tuple[ChannelPolicyValue, dict[str, object], list[str]]] = [
    (
        policy(TELEGRAM, allow(USER, 1)),
        {"dmPolicy": "allowlist", "allowFrom": ["1"], "groupPolicy": "allowlist", "groupAllowFrom": ["1"]},
        [],
    ),
    (
        policy(TELEGRAM, allow(USER, 1, Reach.DIRECT)),
        {"dmPolicy": "allowlist", "allowFrom": ["1"], **OFF},
        ["nobody_listed"],
    ),
    (policy(TELEGRAM, direct="pairing", group="disabled"), {"dmPolicy": "pairing", **OFF}, []),
    (policy(TELEGRAM, group="disabled"), NOBODY, ["nobody_listed"]),
    (
        policy(TELEGRAM, allow(USER, "*"), direct="open", group="open"),
        {"dmPolicy": "open", "allowFrom": ["*"], "groupPolicy": "open"},
        [],
    ),
    (policy(TELEGRAM, direct="open", group="open"), NOBODY, ["nobody_listed", "nobody_listed"]),
    (
        policy(TELEGRAM, allow(USER, "*"), deny(USER, 9), direct="open", group="open"),
        NOBODY,
        ["deny_not_expressible", "nobody_listed", "deny_not_expressible", "deny_not_expressible", "nobody_listed"],
    ),
    (
        policy(TELEGRAM, allow(USER, 1), allow(USER, 9), deny(USER, 9), direct="pairing", group="disabled"),
        {"dmPolicy": "allowlist", "allowFrom": ["1"], **OFF},
        ["deny_not_expressible"],
    ),
    (
        policy(TELEGRAM, allow(GROUP, -5), direct="disabled"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "groupAllowFrom": ["*"], "groups": {"-5": {}}},
        [],
    ),
    (
        policy(WHATSAPP, allow(CHAT, "a@g.us"), allow(USER, "+1", Reach.GROUP), direct="disabled"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "groupAllowFrom": ["+1"], "groups": {"a@g.us": {}}},
        ["narrower"],
    ),
    (
        policy(WHATSAPP, allow(CHAT, "a@g.us"), allow(USER, "+1", Reach.GROUP), direct="disabled", gate="both"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "groupAllowFrom": ["+1"], "groups": {"a@g.us": {}}},
        [],
    ),
    (policy(TELEGRAM, allow(GROUP, -5), direct="disabled", gate="both"), NOBODY, ["nobody_listed"]),
    (
        policy(TELEGRAM, allow(USER, 1, Reach.GROUP), deny(GROUP, -5), direct="disabled"),
        NOBODY,
        ["deny_not_expressible", "nobody_listed"],
    ),
    (
        policy(SIGNAL, allow(USER, "+1", Reach.GROUP), allow(GROUP, "g"), direct="disabled"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "groupAllowFrom": ["+1"]},
        ["rule_not_expressible"],
    ),
    (
        policy(SLACK, allow(CHAT, "C1"), direct="disabled"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "channels": {"C1": {"enabled": True}}},
        [],
    ),
    (
        policy(DISCORD, allow(GUILD, 1), allow(USER, 7, Reach.GROUP), direct="disabled", gate="both"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "guilds": {"1": {"users": ["7"]}}},
        [],
    ),
    (policy(DISCORD, allow(GUILD, 1), direct="disabled", gate="both"), NOBODY, ["nobody_listed"]),
    (
        policy(DISCORD, allow(GUILD, 1), allow(USER, 7), direct="disabled"),
        {"dmPolicy": "disabled", "groupPolicy": "allowlist", "guilds": {"1": {}}},
        ["rule_not_expressible"],
    ),
    (policy(DISCORD, direct="disabled"), NOBODY, ["nobody_listed"]),
    (
        policy(DISCORD, allow(GUILD, 1), deny(USER, 9), direct="disabled"),
        NOBODY,
        ["deny_not_expressible", "nobody_listed"],
    ),
    (
        policy(DISCORD, allow(GUILD, 1), allow(USER, 7), deny(CHAT, 3)),
        NOBODY,
        ["deny_not_expressible", "deny_not_expressible"],
    ),
    (policy(DISCORD, allow(GUILD, 1), deny(GUILD, "*"), direct="disabled"), NOBODY, ["nobody_listed"]),
]


@pytest.mark.parametrize(("asked", "document", "findings"), EXPORTS)
def test_export_openclaw_document(asked: ChannelPolicyValue, document: dict[str, object], findings: list[str]) -> None:
    exported = export_channel(asked, Product.OPENCLAW)
    assert exported.document == document
    assert [finding.code.value for finding in exported.findings] == findings


@pytest.mark.parametrize("product", [Product.CLAWDBOT, Product.OPENSOUL, Product.ARGENTOS])
@pytest.mark.parametrize("kind", [DISCORD, SLACK])
def test_export_older_products_keep_direct_settings_under_dm(product: Product, kind: ChannelKind) -> None:
    asked = policy(kind, allow(USER, "U1", Reach.DIRECT), group="disabled")
    expected = {"dm": {"policy": "allowlist", "allowFrom": ["U1"]}, "groupPolicy": "disabled"}
    assert export_channel(asked, product).document == expected


@pytest.mark.parametrize("product", list(Product))
def test_export_generic_channel_is_refused(product: Product) -> None:
    with pytest.raises(ChannelNotExportable):
        export_channel(policy(GENERIC), product)


# The settings the strict schemas know, per channel; anything else would stop the gateway.
TOP = {"dmPolicy", "allowFrom", "groupPolicy"}
KNOWN_SETTINGS: dict[ChannelKind, tuple[set[str], set[str]]] = {
    TELEGRAM: (TOP | {"groupAllowFrom", "groups"}, TOP | {"groupAllowFrom", "groups"}),
    WHATSAPP: (TOP | {"groupAllowFrom", "groups"}, TOP | {"groupAllowFrom", "groups"}),
    SIGNAL: (TOP | {"groupAllowFrom"}, TOP | {"groupAllowFrom"}),
    DISCORD: (TOP | {"guilds"}, {"dm", "groupPolicy", "guilds"}),
    SLACK: (TOP | {"channels"}, {"dm", "groupPolicy", "channels"}),
}

ids = st.sampled_from(["1", "2", "-5"])
rules = st.lists(
    st.builds(
        ChannelRule,
        subject_kind=st.sampled_from(SubjectKind),
        subject_id=st.one_of(ids, st.just("*")),
        effect=st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.ALLOW, Effect.DENY]),
        reach=st.sampled_from(Reach),
    ),
    max_size=6,
).map(tuple)
exportable = st.builds(
    ChannelPolicyValue,
    channel_kind=st.sampled_from([TELEGRAM, DISCORD, SLACK, WHATSAPP, SIGNAL]),
    direct_policy=st.sampled_from(DirectPolicy),
    group_policy=st.sampled_from(GroupPolicy),
    rules=rules,
    group_gate=st.sampled_from(GroupGate),
)
# On Telegram and its like a conversation of two carries the id of the person.
writing = ids.map(lambda user: ChannelSender(user=user, chat=user, is_direct=True))
speaking = st.builds(ChannelSender, user=ids, chat=ids, guild=ids, is_direct=st.just(False))


@settings(max_examples=scaled(75, 300), deadline=None)
@given(exportable, st.sampled_from(Product))
def test_export_names_known_settings_only(asked: ChannelPolicyValue, product: Product) -> None:
    current, older = KNOWN_SETTINGS[asked.channel_kind]
    document = export_channel(asked, product).document
    assert set(document) <= (current if product is Product.OPENCLAW else older)
    inner = document.get("dm", {})
    assert isinstance(inner, dict)
    assert set(inner) <= {"policy", "allowFrom"}


@settings(max_examples=scaled(75, 300), deadline=None)
@given(exportable, st.one_of(writing, speaking), st.sampled_from(Product))
def test_export_read_back_never_lets_in_whom_the_policy_keeps_out(
    asked: ChannelPolicyValue, sender: ChannelSender, product: Product
) -> None:
    read_back = import_channel(asked.channel_kind, export_channel(asked, product).document).policy
    if decide_channel(read_back, sender).allowed:
        assert decide_channel(asked, sender).allowed


@settings(max_examples=scaled(75, 300), deadline=None)
@given(exportable, st.one_of(writing, speaking), st.sampled_from(Product))
def test_export_as_the_product_reads_it_never_opens_more(
    asked: ChannelPolicyValue, sender: ChannelSender, product: Product
) -> None:
    document = export_channel(asked, product).document
    if product_lets_in(asked.channel_kind, document, sender):
        assert decide_channel(asked, sender).allowed


def product_lets_in(kind: ChannelKind, document: dict[str, Any], sender: ChannelSender) -> bool:
    """Say what the product itself would answer, told from its documented behaviour and not from our import."""
    nested = document.get("dm", {})
    writers = document.get("allowFrom", nested.get("allowFrom", []))
    if sender.is_direct:
        policy_name = document.get("dmPolicy", nested.get("policy", "pairing"))
        return policy_name != "disabled" and (sender.user in writers or "*" in writers)
    if document.get("groupPolicy", "allowlist") != "allowlist":
        return bool(document["groupPolicy"] == "open")
    if kind in {DISCORD, SLACK}:
        places = document.get("guilds" if kind is DISCORD else "channels", {})
        entry = places.get(sender.guild if kind is DISCORD else sender.chat)
        return entry is not None and sender.user in entry.get("users", [sender.user])
    speakers = document.get("groupAllowFrom") or writers
    is_place_open = "groups" not in document or sender.chat in document["groups"]
    return is_place_open and (sender.user in speakers or "*" in speakers)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["allowedUsers", "allowFrom", "dmPolicy", "groups", "groupPolicy", "dm", "guilds", "x"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=8,
    ),
    st.sampled_from(ChannelKind),
)
def test_import_answers_any_document_with_a_policy(document: object, kind: ChannelKind) -> None:
    imported = import_channel(kind, document)
    assert imported.policy.channel_kind is kind
    assert all(finding.code in FindingCode for finding in imported.findings)
