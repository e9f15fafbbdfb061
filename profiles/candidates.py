"""The values a resolution works on: candidates without their secrets, the request, and what it may demand. PURE.

A candidate carries flags that say whether a secret is there, never the secret: nothing in here can leak one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from profiles.backoff import UsageStats
from profiles.expiry import Expiry
from profiles.providers import Billing, Kind
from profiles.references import Strategy


class PinSource(StrEnum):
    """Who pinned a session to a profile: a person, whose word is final, or the service, as a preference."""

    USER = "user"
    AUTO = "auto"


class Requirement(StrEnum):
    """What a caller may demand of the chosen profile."""

    PROMPT_CACHING = "prompt_caching"
    METERED = "metered"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One stored profile as resolution sees it; ``None`` for channels or gateways means any.

    ``has_secret`` is a key, token or access token that is not blank, or a reference that can be followed;
    ``has_refresh`` counts for OAuth only. ``is_malformed`` says the stored value is a pasted shell command.
    """

    profile_id: str
    provider: str
    kind: Kind
    has_secret: bool = True
    has_refresh: bool = False
    expiry: Expiry = None
    has_unresolved_reference: bool = False
    is_malformed: bool = False
    is_setup_inactive: bool = False
    usage: UsageStats = field(default_factory=UsageStats)
    minimum_trust: int = 0
    allowed_channels: frozenset[str] | None = None
    allowed_gateways: frozenset[str] | None = None
    prompt_caching: bool = True
    billing: Billing = Billing.METERED


@dataclass(frozen=True, slots=True)
class ConfiguredProfile:
    """A profile named in the routing configuration; ``mode`` is a kind or a foreign word such as ``aws-sdk``."""

    profile_id: str
    provider: str
    mode: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A session's tie to one profile."""

    profile_id: str
    source: PinSource


@dataclass(frozen=True, slots=True)
class ResolutionRequest:
    """What is asked: for which provider, under which rules, by whom and when.

    ``explicit_order`` None means no order was set; an empty one selects nothing. ``is_stored_order`` is False when it
    came from a configuration file, which upstream never repairs.
    """

    provider: str
    now_ms: int
    strategy: Strategy = Strategy.CURRENT
    explicit_order: tuple[str, ...] | None = None
    is_stored_order: bool = True
    configured: tuple[ConfiguredProfile, ...] = ()
    preferred_profile: str | None = None
    pin: Pin | None = None
    model: str | None = None
    require: frozenset[Requirement] = frozenset()
    trust_level: int = 0
    channel: str | None = None
    gateway: str | None = None
    preferred_kind: Kind | None = None
