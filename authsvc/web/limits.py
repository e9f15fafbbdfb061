"""The one table of rate limits: which apply to a request, how often, and the header fields that tell it.

Token buckets guard the API: per client address always, tighter where a view is sensitive, and per principal once one
is known. Health and metrics share a bucket of their own, so probes never use up a client's. The admin's login has
fixed windows (django-ratelimit) per address, and per name at an address: nobody locks a person out from elsewhere.
A tenant may have rates of its own: as soon as the caller is known, its request counts against them and is given back
to the bucket it was first taken from. Nothing switches limits off in production; ``AUTHSVC_DEMO_LIMITS=off`` lifts
them in development.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django_ratelimit.core import get_usage

from authsvc.web.client_address import client_address, network_of
from authsvc.web.limit_store import bucket_store
from authsvc.web.problems import TooManyRequests, Unavailable
from authsvc.web.token_bucket import Rate, Verdict

RATE = re.compile(r"([1-9][0-9]{0,3})(?:/(?:m|min|minute))?")


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: its name in ``RateLimit-Policy``, and its rate now."""

    name: str
    rate: Callable[[], Rate]


@dataclass(frozen=True, slots=True)
class TenantRates:
    """What one tenant may ask a minute; ``None`` is what everybody may."""

    general: int | None = None
    sensitive: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a setting may say, in requests a minute."""

    least: int
    most: int


SETTING_BOUNDS: Mapping[str, Bounds] = {"API_RATE_LIMIT": Bounds(1, 1000), "SENSITIVE_RATE_LIMIT": Bounds(1, 100)}
FORWARD_AUTH_FACTOR = 10  # one page of a guarded site is many requests


def configured(name: str) -> Rate:
    """Return the rate a setting asks for; raises ``ImproperlyConfigured`` with the number of the start-up check."""
    fault = rate_fault(name, getattr(settings, name))
    if fault:
        raise ImproperlyConfigured(f"authsvc.E009: {fault}")
    return _parsed(getattr(settings, name))


def rate_fault(name: str, text: str) -> str:
    """Return what is wrong with the rate of a setting, or an empty string."""
    bounds = SETTING_BOUNDS[name]
    found = RATE.fullmatch(str(text).strip())
    if found is None or not bounds.least <= int(found.group(1)) <= bounds.most:
        return f"{name} is {str(text)[:40]!r}; say {bounds.least} to {bounds.most} a minute, such as {bounds.most}/min."
    return ""


@lru_cache(maxsize=64)
def _parsed(text: str) -> Rate:
    found = RATE.fullmatch(text.strip())
    return Rate(int(found.group(1))) if found else Rate(1)


GENERAL = Limit("general", lambda: configured("API_RATE_LIMIT"))
SENSITIVE = Limit("sensitive", lambda: configured("SENSITIVE_RATE_LIMIT"))
PRINCIPAL = Limit("principal", lambda: configured("API_RATE_LIMIT"))
FORWARD_AUTH = Limit("forward_auth", lambda: Rate(configured("API_RATE_LIMIT").limit * FORWARD_AUTH_FACTOR))
PROBES = Limit("probes", lambda: Rate(600))
TABLE: tuple[Limit, ...] = (GENERAL, SENSITIVE, PRINCIPAL, FORWARD_AUTH, PROBES)

LIMITED_PREFIXES = ("/api/", "/t/", "/.well-known/")
PROBE_PREFIXES = ("/health", "/metrics")
SENSITIVE_PATHS = re.compile(r"/t/[^/]+/[^/]+/oauth/(?:token|device_authorization)")
FORWARD_AUTH_PATHS = re.compile(r"/t/[^/]+/[^/]+/gateways/[^/]+/forward-auth(?:/.*)?", re.DOTALL)


@dataclass(slots=True)
class Tally:
    """The buckets one request took from, in order."""

    verdicts: list[tuple[Limit, Verdict]] = field(default_factory=list)

    def take(self, limit: Limit, key: str, *, now: int, rate: Rate | None = None) -> None:
        """Take one request from a bucket; raises ``TooManyRequests`` with ``Retry-After``."""
        verdict = bucket_store().take(_bucket(limit, key), rate or limit.rate(), now=now)
        self.verdicts.append((limit, verdict))
        if not verdict.allowed:
            raise over_limit(verdict.retry_after_seconds)

    def hand_over(self, limit: Limit, key: str, *, to: str, now: int, rate: Rate) -> None:
        """Count against another bucket what was taken from this one, if it was; raises ``TooManyRequests``."""
        if any(taken is limit for taken, _ in self.verdicts):
            bucket_store().give_back(_bucket(limit, key), limit.rate())
            self.verdicts = [entry for entry in self.verdicts if entry[0] is not limit]
            self.take(limit, to, now=now, rate=rate)

    def headers(self) -> dict[str, str]:
        """Return the header fields: the scarcest bucket in ``X-RateLimit-*``, every one in ``RateLimit``."""
        if not self.verdicts:
            return {}
        _, scarcest = min(self.verdicts, key=lambda entry: (entry[1].remaining, entry[1].rate.limit))
        return {
            "X-RateLimit-Limit": str(scarcest.rate.limit),
            "X-RateLimit-Remaining": str(scarcest.remaining),
            "X-RateLimit-Reset": str(scarcest.reset_seconds),
            "RateLimit": ", ".join(_item(limit, verdict) for limit, verdict in self.verdicts),
            "RateLimit-Policy": ", ".join(_policy(limit, verdict) for limit, verdict in self.verdicts),
        }


def limits_apply() -> bool:
    """False only in development, where ``AUTHSVC_DEMO_LIMITS=off`` lifts them for load and attack runs."""
    return bool(settings.PRODUCTION or settings.AUTHSVC_DEMO_LIMITS != "off")


def rates_of_tenant(tenant_id: str) -> TenantRates:
    """Return the rates a tenant has of its own; the floor that knows tenants is named in the settings."""
    ask: Callable[[str], TenantRates] = import_string(settings.LIMITS_OF_TENANT)
    return ask(tenant_id)


def own_rates(rates: TenantRates) -> Sequence[tuple[Limit, Rate]]:
    """Return the limits by address that a tenant's own rates replace."""
    found = []
    if rates.general is not None:
        found += [(GENERAL, Rate(rates.general)), (FORWARD_AUTH, Rate(rates.general * FORWARD_AUTH_FACTOR))]
    if rates.sensitive is not None:
        found += [(SENSITIVE, Rate(rates.sensitive))]
    return found


def limit_of_path(path: str) -> Limit | None:
    """Return the limit every request to this path counts against; ``None`` where none does, as for the admin."""
    if path.startswith(LIMITED_PREFIXES):
        return FORWARD_AUTH if FORWARD_AUTH_PATHS.fullmatch(path) else GENERAL
    return PROBES if path.startswith(PROBE_PREFIXES) else None


def address_key(request: HttpRequest) -> str:
    """Return whom an address stands for: an IPv4 address, an IPv6 network of 64 bits, or everybody unknown."""
    return network_of(client_address(request)) or "unknown"


def over_limit(retry_after_seconds: int) -> TooManyRequests:
    """Return the refusal that says when to come back."""
    return TooManyRequests(headers={"Retry-After": str(retry_after_seconds)}, extra={"retryAfter": retry_after_seconds})


def effective_limits() -> Sequence[tuple[str, Rate]]:
    """Return the name and rate of every limit as it applies now."""
    return [(limit.name, limit.rate()) for limit in TABLE]


LOGIN_WINDOWS: Mapping[str, str] = {"address": "30/5m", "name": "10/5m"}


def take_login(request: HttpRequest, username: str) -> None:
    """Count one attempt to sign in, by address and, with a name, by name there.

    Raises ``TooManyRequests``, or ``Unavailable`` when it cannot be counted.
    """
    address = address_key(request)
    keys = {"address": address, "name": f"{username.casefold()[:150]}@{address}"}
    for window, rate in LOGIN_WINDOWS.items():
        if window == "name" and not username:
            continue
        _take_window(request, f"login.{window}", keys[window], rate)


def _take_window(request: HttpRequest, group: str, key: str, rate: str) -> None:
    try:
        usage = get_usage(request, group=group, key=lambda *_: key, rate=rate, increment=True)
    except _cache_errors() as error:
        raise Unavailable(headers={"Retry-After": "5"}) from error
    if usage and usage["should_limit"]:
        raise over_limit(max(1, math.ceil(usage["time_left"])))


def _cache_errors() -> tuple[type[Exception], ...]:
    """Return what a cache that is away raises; Redis is loaded only where it is used."""
    if not settings.REDIS_URL:
        return (OSError,)
    from redis import RedisError  # noqa: PLC0415

    return (OSError, RedisError)


def _bucket(limit: Limit, key: str) -> str:
    return f"{limit.name}:{key}"[:100]


def _item(limit: Limit, verdict: Verdict) -> str:
    return f'"{limit.name}";r={verdict.remaining};t={verdict.reset_seconds}'


def _policy(limit: Limit, verdict: Verdict) -> str:
    return f'"{limit.name}";q={verdict.rate.limit};w={verdict.rate.period_seconds}'
