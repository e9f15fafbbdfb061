"""Numbered start-up checks. In production every one is an error that stops the start; each says what to do.

``authsvc.E001`` secret key · ``E002`` key-encryption keys · ``E003`` base URL · ``E004`` DEBUG · ``E005`` CORS ``*`` ·
``E006`` environment name · ``E007`` database · ``E008`` address ranges · ``E009`` rate limits (in development too) ·
``E010`` limits lifted.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from authsvc.web.limits import SETTING_BOUNDS, rate_fault

MINIMUM_SECRET_CHARACTERS = 32
MINIMUM_DISTINCT = 12
SAMPLE_WORDS = re.compile(
    r"change|example|sample|insecure|default|placeholder|password|replace|your[-_ ]|s3cret|secretkey|secret-key", re.I
)
KEEP_SECRET = "Make one with: python manage.py vault generate"


@register("authsvc")
def check_settings(app_configs: Sequence[AppConfig] | None = None, **_options: Any) -> list[CheckMessage]:
    """Return what is unsafe or missing; nothing in development."""
    if settings.AUTHSVC_ENV not in {"development", "production"}:
        return [_error("E006", "AUTHSVC_ENV must be development or production.", "Set AUTHSVC_ENV=production.")]
    if not settings.PRODUCTION:
        return list(_rates())
    return [message for check in CHECKS for message in check()]


def require_safe_start() -> None:
    """Raise ``ImproperlyConfigured`` listing every error; called before a production process answers anything."""
    errors = [message for message in run_checks(tags=["authsvc"]) if message.level >= 40]
    if errors:
        lines = [f"{message.id}: {message.msg} {message.hint or ''}" for message in errors]
        raise ImproperlyConfigured("\n".join(["This service does not start like this:", *lines]))


def secret_fault(secret: str) -> str:
    """Return what is wrong with a secret, or an empty string; never any part of it."""
    if not secret:
        return "is missing"
    if len(secret) < MINIMUM_SECRET_CHARACTERS:
        return f"is shorter than {MINIMUM_SECRET_CHARACTERS} characters"
    if SAMPLE_WORDS.search(secret):
        return "is a sample or default value"
    if len(set(secret)) < MINIMUM_DISTINCT:
        return "is not random"
    return ""


def kek_fault(text: str) -> str:
    """Return what is wrong with ``id:base64[,…]``, or an empty string; never any part of a key."""
    entries = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if not entries:
        return "is missing"
    ids = [entry.partition(":")[0] for entry in entries]
    if len(set(ids)) != len(ids):
        return "holds two keys of one id"
    for entry in entries:
        kek_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return "holds a key that is not base64 (the form is id:base64)"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", kek_id):
            return "holds a key without an id (the form is id:base64)"
        if len(key) != 32:
            return f"holds a key of {len(key)} bytes; 32 are needed"
        if _is_made_up(key):
            return "holds a sample or default key"
    return ""


def _is_made_up(key: bytes) -> bool:
    """32 random bytes are never all printable, never few distinct ones, never evenly spaced."""
    steps = {(right - left) % 256 for left, right in pairwise(key)}
    return len(set(key)) < MINIMUM_DISTINCT or all(32 <= byte < 127 for byte in key) or len(steps) == 1


def _secret_key() -> Iterable[CheckMessage]:
    fault = secret_fault(settings.AUTHSVC_SECRET_KEY)
    if fault:
        yield _error("E001", f"AUTHSVC_SECRET_KEY {fault}.", KEEP_SECRET)


def _keks() -> Iterable[CheckMessage]:
    fault = kek_fault(settings.AUTHSVC_KEKS)
    if fault:
        yield _error("E002", f"AUTHSVC_KEKS {fault}.", KEEP_SECRET)


def _base_url() -> Iterable[CheckMessage]:
    parts = urlsplit(settings.AUTHSVC_BASE_URL)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        hint = "Set AUTHSVC_BASE_URL to the public https address, without password, query or fragment."
        yield _error("E003", "AUTHSVC_BASE_URL is not an https address; issuers must be https.", hint)


def _debug() -> Iterable[CheckMessage]:
    if settings.DEBUG:
        yield _error("E004", "DEBUG is on.", "Remove AUTHSVC_DEBUG and DEBUG from the environment.")


def _cors() -> Iterable[CheckMessage]:
    if getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or "*" in settings.CORS_ALLOWED_ORIGINS:
        yield _error("E005", "AUTHSVC_CORS_ORIGINS is *.", "List the origins that may read answers in a browser.")


def _database() -> Iterable[CheckMessage]:
    if not (os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE")):
        hint = "Set DATABASE_URL to the PostgreSQL database (postgres://…), or name the SQLite file on purpose."
        yield _error("E007", "DATABASE_URL is missing.", hint)


def _ranges() -> Iterable[CheckMessage]:
    for name in ("AUTHSVC_TRUSTED_PROXIES", "AUTHSVC_METRICS_CIDRS", "AUTHSVC_CREDENTIAL_WRITE_CIDRS"):
        for text in getattr(settings, name):
            words = {"loopback", "unix"} if name == "AUTHSVC_TRUSTED_PROXIES" else {"loopback"}
            if text.strip() not in words and not _is_network(text):
                yield _error("E008", f"{name} holds {text[:60]!r}, which is no address range.", "Use 10.0.0.0/8.")


def _rates() -> Iterable[CheckMessage]:
    for name in SETTING_BOUNDS:
        fault = rate_fault(name, getattr(settings, name))
        if fault:
            yield _error("E009", fault, "Remove the setting for the default, or say how many requests a minute.")


def _demo_limits() -> Iterable[CheckMessage]:
    if settings.AUTHSVC_DEMO_LIMITS == "off":
        yield _error("E010", "AUTHSVC_DEMO_LIMITS is off.", "Remove it; limits are never lifted in production.")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def _error(number: str, message: str, hint: str) -> CheckMessage:
    return Error(message, hint=hint, id=f"authsvc.{number}")


CHECKS: tuple[Callable[[], Iterable[CheckMessage]], ...] = (
    _secret_key,
    _keks,
    _base_url,
    _debug,
    _cors,
    _database,
    _ranges,
    _rates,
    _demo_limits,
)
