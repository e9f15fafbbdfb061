"""What is wrong with this installation, one named finding an item, each with a remedy; secrets are never shown.

The list holds the production checklists of the products this service serves, by name, and what is ours: every item is
reported, also when it is fine. ``is_production`` judges by the rules of production wherever the service runs now.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.urls import URLPattern, URLResolver, get_resolver

from authsvc.operators.webauthn import passkey_fault
from authsvc.ops import checks
from authsvc.ops.health import readiness_problems
from authsvc.tenants.models import Operator, Tenant
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.api import ApiView
from authsvc.web.limit_store import store_name
from authsvc.web.limits import effective_limits, limits_apply
from profiles.models import Credential, CredentialState, OAuthRefresh, Profile, ProfileSettings, ProfileState
from profiles.providers import Kind
from profiles.references import is_deprecated_profile_id
from profiles.services.rotation import RotationState, rotation_state
from rbac.models import Gateway


class Severity(StrEnum):
    """``ok``: nothing to do · ``advice``: think about it · ``warning``: do it soon · ``error``: not like this."""

    OK = "ok"
    ADVICE = "advice"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one item; ``code`` is stable for ever."""

    code: str
    severity: Severity
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What an item's look found wrong."""

    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list: its code, what is asked, whose checklist asks it, and how to look."""

    code: str
    question: str
    asked_by: str
    look: Callable[[datetime], Iterable[Fault]]
    production_only: bool = False


def examine(*, is_production: bool, now: datetime) -> list[Finding]:
    """Return one finding for each item, the worst its look found; writes nothing."""
    items = [item for item in ITEMS if is_production or not item.production_only]
    return [_examined(item, now) for item in items]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 with an error, 3 when something could not be looked at, else 0."""
    found = list(findings)
    if any(finding.severity is Severity.ERROR and finding.code != "database" for finding in found):
        return 1
    return 3 if any(finding.severity is Severity.ERROR for finding in found) else 0


def _examined(item: Item, now: datetime) -> Finding:
    try:
        faults = sorted(item.look(now), key=lambda fault: RANK[fault.severity])
    except DatabaseError:
        return Finding(
            item.code, Severity.WARNING, f"{item.question} Could not be looked at.", "See the item database."
        )
    if not faults:
        return Finding(item.code, Severity.OK, item.question)
    worst = faults[-1]
    return Finding(item.code, worst.severity, " ".join(fault.message for fault in faults), worst.remedy)


def _started(check: Callable[[], Iterable[CheckMessage]]) -> Callable[[datetime], Iterable[Fault]]:
    """Return a look that asks a start-up check."""

    def look(_now: datetime) -> Iterable[Fault]:
        for message in check():
            yield Fault(Severity.ERROR, f"{message.id}: {message.msg}", message.hint or "")

    return look


def _environment(_now: datetime) -> Iterable[Fault]:
    if settings.AUTHSVC_ENV != "production":
        yield Fault(Severity.ERROR, f"AUTHSVC_ENV is {settings.AUTHSVC_ENV}.", "Set AUTHSVC_ENV=production.")


def _logs(_now: datetime) -> Iterable[Fault]:
    if not settings.LOGGING.get("json"):
        yield Fault(Severity.ERROR, "Logs are not JSON.", "Set AUTHSVC_ENV=production.")


def _cookies(_now: datetime) -> Iterable[Fault]:
    if not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        yield Fault(Severity.ERROR, "Cookies of the admin travel without TLS.", "Set AUTHSVC_BASE_URL to https.")


def _limits(_now: datetime) -> Iterable[Fault]:
    if not limits_apply():
        yield Fault(Severity.WARNING, "Rate limits are lifted.", "Remove AUTHSVC_DEMO_LIMITS.")


def _limit_store(_now: datetime) -> Iterable[Fault]:
    if store_name() != "redis":
        text = f"Limits are counted in {store_name()}, which several hosts do not share."
        yield Fault(Severity.ADVICE, text, "Set REDIS_URL before a second host serves.")


def _proxies(_now: datetime) -> Iterable[Fault]:
    if any(network.num_addresses > WIDE[network.version] for network in settings.TRUSTED_PROXY_NETWORKS):
        yield Fault(Severity.ERROR, "AUTHSVC_TRUSTED_PROXIES trusts whole networks.", "List the proxies themselves.")


def _metrics(_now: datetime) -> Iterable[Fault]:
    if any(_is_public(network) for network in settings.METRICS_NETWORKS):
        yield Fault(Severity.ERROR, "AUTHSVC_METRICS_CIDRS holds public addresses.", "List the monitoring hosts alone.")


def _write_ranges(_now: datetime) -> Iterable[Fault]:
    if not settings.AUTHSVC_CREDENTIAL_WRITE_CIDRS:
        remedy = "Set AUTHSVC_CREDENTIAL_WRITE_CIDRS, for example to loopback, where credentials are kept on one host."
        yield Fault(Severity.ADVICE, "Credentials may be written from any address.", remedy)


def _files(_now: datetime) -> Iterable[Fault]:
    for path in _private_files():
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            wanted = "700" if path.is_dir() else "600"
            yield Fault(Severity.ERROR, f"{path.name} has mode {mode:o}.", f"chmod {wanted} {path}")


def _multicast(_now: datetime) -> Iterable[Fault]:
    for name in ("AUTHSVC_MDNS", "MDNS_ENABLED", "AGTOS_MDNS"):
        if os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}:
            yield Fault(Severity.WARNING, f"{name} is on.", f"Unset {name}; this service announces nothing by itself.")


def _database(_now: datetime) -> Iterable[Fault]:
    for problem in readiness_problems():
        yield Fault(Severity.ERROR, f"{problem}.", READINESS_REMEDIES.get(problem.partition(":")[0], ""))


def _operators(_now: datetime) -> Iterable[Fault]:
    if not Operator.objects.filter(is_superuser=True, is_active=True).exists():
        yield Fault(Severity.ERROR, "No platform operator can sign in.", "Run: python manage.py bootstrap")


def _passkeys(_now: datetime) -> Iterable[Fault]:
    fault = passkey_fault(settings.AUTHSVC_BASE_URL)
    is_said = settings.PRODUCTION and not settings.AUTHSVC_BASE_URL.startswith("https://")  # by the item base_url
    if fault and not is_said:
        yield Fault(Severity.ADVICE, "Passkeys are not offered.", fault)


def _demo(_now: datetime) -> Iterable[Fault]:
    if any(Path(settings.STATE_DIRECTORY).glob("demo-*.json")):
        yield Fault(
            Severity.ERROR, "The demo and its secrets are here.", "Start production with a database of its own."
        )


def _gateway_tokens(_now: datetime) -> Iterable[Fault]:
    living = ApiKey.unscoped.filter(kind=ApiKeyKind.GATEWAY_TOKEN, revoked_at__isnull=True)
    bare = Gateway.unscoped.exclude(id__in=living.values("principal_id")).count()
    if bare:
        yield Fault(Severity.ADVICE, f"{bare} gateways have no gateway token.", "POST /api/v1/gateways/{id}/tokens")


def _expired(now: datetime) -> Iterable[Fault]:
    current = Credential.unscoped.filter(state=CredentialState.CURRENT, has_refresh=False)
    over = current.filter(expires_at_ms__lte=int(now.timestamp() * 1000)).count()
    if over:
        remedy = "Run: python manage.py models status, then store a new version of each."
        yield Fault(Severity.WARNING, f"{over} credentials have expired.", remedy)


def _failed_logins(_now: datetime) -> Iterable[Fault]:
    current = Credential.unscoped.filter(profile=OuterRef("profile"), version=OuterRef("failed_version"))
    ended = OAuthRefresh.unscoped.filter(Exists(current.filter(state=CredentialState.CURRENT)), is_terminal=True)
    if ended.exists():
        reasons = ", ".join(sorted(set(ended.values_list("failure_reason", flat=True))))
        remedy = "Sign in with the provider again and import the new login."
        yield Fault(Severity.WARNING, f"{ended.count()} logins can no longer be refreshed: {reasons}.", remedy)


def _overdue(now: datetime) -> Iterable[Fault]:
    current = Credential.unscoped.filter(state=CredentialState.CURRENT, profile__state=ProfileState.ACTIVE)
    states = [rotation_state(each.profile, each, now) for each in current.select_related("profile").iterator()]
    late = states.count(RotationState.OVERDUE)
    if late:
        remedy = "Store a new version of each; the profile keeps its id."
        yield Fault(Severity.ADVICE, f"{late} credentials are older than they should be.", remedy)


def _deprecated(_now: datetime) -> Iterable[Fault]:
    active = Profile.unscoped.filter(state=ProfileState.ACTIVE).values_list("key", flat=True)
    found = sorted({key for key in active if is_deprecated_profile_id(key)})
    if found:
        remedy = "Run that program's setup-token command, paste the result as a new profile and delete the old one."
        yield Fault(Severity.ADVICE, f"Mirrors of another program's login: {', '.join(found[:20])}.", remedy)


def _preferred_kinds(_now: datetime) -> Iterable[Fault]:
    wanted = dict(ProfileSettings.unscoped.exclude(preferred_kind="").values_list("environment_id", "preferred_kind"))
    kinds: dict[tuple[str, str], set[str]] = {}
    active = Profile.unscoped.filter(state=ProfileState.ACTIVE).values_list("environment_id", "provider", "kind")
    for environment_id, provider, kind in active:
        kinds.setdefault((environment_id, provider), set()).add(kind)
    lacking = [place for place, found in kinds.items() if wanted.get(place[0], Kind.API_KEY.value) not in found]
    without = sorted({provider for _, provider in lacking})
    if without:
        remedy = "Store the preferred kind (an API key, unless the environment says otherwise) beside it."
        yield Fault(Severity.ADVICE, f"Providers without the preferred kind: {', '.join(without[:20])}.", remedy)


def _routes(_now: datetime) -> Iterable[Fault]:
    bare = sorted({view.__name__ for view in _api_views(get_resolver().url_patterns) if _undeclared(view)})
    if bare:
        yield Fault(Severity.ERROR, f"No rule is declared by {', '.join(bare)}.", "Report this; it answers nobody.")


def _api_views(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[type[ApiView]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _api_views(pattern.url_patterns)
            continue
        view = getattr(pattern.callback, "cls", None)
        if isinstance(view, type) and issubclass(view, ApiView):
            yield view


def _undeclared(view: type[ApiView]) -> bool:
    methods = {name.upper() for name in view.http_method_names if name != "options" and hasattr(view, name)}
    return not methods <= set(view.required_scopes)


def _holds(_now: datetime) -> Iterable[Fault]:
    held = Tenant.objects.filter(retention_hold=True).count()
    if held:
        yield Fault(Severity.ADVICE, f"{held} tenants hold everything.", "Lift the hold when its reason is gone.")


def _private_files() -> Iterable[Path]:
    folder = Path(settings.STATE_DIRECTORY)
    if folder.is_dir():
        yield folder
        yield from (path for path in folder.iterdir() if path.is_file())


def _is_public(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return not network.is_private


RANK: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(Severity)}
WIDE: Mapping[int, int] = {4: 2**16, 6: 2**64}
READINESS_REMEDIES: Mapping[str, str] = {
    "migrations_pending": "Run: python manage.py migrate",
    "database_unavailable": "Start the database DATABASE_URL names.",
    "key_encryption_key_invalid": "Give AUTHSVC_KEKS as id:base64[,id:base64].",
    "key_encryption_key_missing": "Put the key back into AUTHSVC_KEKS; data is sealed with it.",
}
ITEMS: tuple[Item, ...] = (
    Item("environment", "AUTHSVC_ENV is production.", "agtOS: NODE_ENV", _environment, production_only=True),
    Item("secret_key", "The secret key is its own and long.", "agtOS: secrets", _started(checks._secret_key)),
    Item("key_encryption_keys", "Keys that seal are set.", "agtOS: credential secret and salt", _started(checks._keks)),
    Item("base_url", "Issuers are https.", "agno: JWT issuer", _started(checks._base_url), production_only=True),
    Item("debug", "DEBUG is off.", "agno: production settings", _started(checks._debug)),
    Item("cors", "Origins are listed.", "agtOS: CORS", _started(checks._cors)),
    Item("database_url", "The database is named.", "authsvc", _started(checks._database), production_only=True),
    Item("address_ranges", "Address ranges can be read.", "authsvc", _started(checks._ranges)),
    Item("rate_limits", "Rate limits are in bounds.", "agtOS: rate limits", _started(checks._rates)),
    Item("demo_limits", "Limits apply.", "agtOS: rate limits", _limits),
    Item("limit_store", "Limits are shared by all hosts.", "agtOS: rate limits", _limit_store, production_only=True),
    Item("api_authentication", "Every route asks for a proof.", "agtOS: API key; ArgentOS: enabled", _routes),
    Item("trusted_proxies", "Only named proxies are believed.", "openclaw: trustedProxies", _proxies),
    Item("metrics", "Metrics are for monitoring alone.", "agtOS: metrics", _metrics),
    Item("credential_writes", "Credential writes are limited.", "agtOS: loopback store", _write_ranges),
    Item("private_files", "Files with secrets are private.", "openclaw, clawdbot: chmod 600", _files),
    Item("mdns", "Nothing is announced on the network.", "agtOS: mDNS", _multicast),
    Item("json_logs", "Logs are JSON.", "agtOS: JSON logs", _logs, production_only=True),
    Item("secure_cookies", "Cookies need TLS.", "authsvc", _cookies, production_only=True),
    Item("database", "Database, migrations and keys are there.", "authsvc", _database),
    Item("operator", "Somebody can sign in.", "authsvc", _operators),
    Item("passkeys", "Operators may use passkeys.", "authsvc", _passkeys),
    Item("demo", "No demo is here.", "authsvc", _demo, production_only=True),
    Item("gateway_tokens", "Each gateway has a token.", "ArgentOS, openclaw: gateway.auth.token", _gateway_tokens),
    Item("expired_credentials", "No credential has expired.", "openclaw: models status", _expired),
    Item("failed_logins", "Every login can be refreshed.", "openclaw: refresh_token_reused", _failed_logins),
    Item("credential_rotation", "No credential is overdue.", "ArgentOS: rotate monthly", _overdue),
    Item("deprecated_profiles", "No profile mirrors another program.", "clawdbot: claude-cli", _deprecated),
    Item("preferred_kind", "Each provider has the preferred kind.", "openclaw: prefer an API key", _preferred_kinds),
    Item("retention_holds", "Retention runs.", "agtOS: retention", _holds),
)


def limits_document() -> dict[str, str]:
    """Return the limits in force, as text."""
    if not limits_apply():
        return {name: "unlimited" for name, _ in effective_limits()}
    return {name: f"{rate.limit} in {rate.period_seconds} s" for name, rate in effective_limits()}
