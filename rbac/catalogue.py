"""The catalogue of scopes: which exist, for which audience, what each allows, and which roles every tenant starts with.

Two audiences: a gateway (the families that AgentOS 3.1.10 asks for, company families flagged) and our own API. A scope
that is neither here nor defined by the tenant is unknown, and an unknown scope is refused; ``lint`` says why and what
was meant.
The seed names ``memory:read`` and ``system:read`` may be granted; ``expand_for_agno`` adds the name that AgentOS reads.
PURE.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN, OWN_ACTIONS, InvalidScope, Scope, parse


class Audience(StrEnum):
    """Who reads the scope."""

    GATEWAY = "gateway"
    AUTHSVC = "authsvc"


class FindingCode(StrEnum):
    """What lint noticed about one scope."""

    MALFORMED = "malformed"
    UNKNOWN_RESOURCE = "unknown_resource"
    UNKNOWN_ACTION = "unknown_action"
    SEED_NAME = "seed_name"
    ID_IGNORED = "id_ignored"


REFUSALS: Final = frozenset({FindingCode.MALFORMED, FindingCode.UNKNOWN_RESOURCE, FindingCode.UNKNOWN_ACTION})


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """One scope that can be granted; ``alias_of`` names the scope it stands for on AgentOS."""

    resource: str
    action: str
    sentence: str
    takes_id: bool
    audience: Audience
    company: bool = False
    alias_of: str | None = None

    @property
    def scope(self) -> str:
        """Return the two-part form."""
        return f"{self.resource}:{self.action}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about one scope; ``suggestion`` is a scope that would pass."""

    scope: str
    code: FindingCode
    message: str
    suggestion: str | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the scope may not be granted; otherwise the remark is advice."""
        return self.code in REFUSALS


@dataclass(frozen=True, slots=True)
class PresetRole:
    """A role every tenant starts with and may edit; ``per_agent`` holds the actions granted agent by agent."""

    slug: str
    name: str
    sentence: str
    scopes: frozenset[str]
    per_agent: frozenset[str] = frozenset()

    def expand(self, agents: Iterable[str] = ()) -> frozenset[str]:
        """Return the scopes, with ``per_agent`` spelled out for ``agents``. Raises ``InvalidScope`` for a bad id."""
        single = {str(parse(f"agents:{agent}:{action}")) for agent in agents for action in self.per_agent}
        return self.scopes | single


_CRUD: Final = ("read", "write", "delete")
_RUNNABLE: Final = ("read", "run", "write", "delete")
# resource, what it is in a sentence, actions: exactly those that some AgentOS route requires.
_FAMILIES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("config", "the configuration and models of the gateway", ("read", "write")),
    ("agents", "agents", _RUNNABLE),
    ("teams", "teams", _RUNNABLE),
    ("workflows", "workflows", _RUNNABLE),
    ("sessions", "sessions", _CRUD),
    ("memories", "memories", _CRUD),
    ("learnings", "learnings", _CRUD),
    ("knowledge", "knowledge content", _CRUD),
    ("metrics", "metrics", ("read", "write")),
    ("evals", "evaluation runs", _CRUD),
    ("traces", "traces", ("read",)),
    ("service_accounts", "the gateway's own service accounts", _CRUD),
    ("schedules", "schedules", _CRUD),
    ("approvals", "approvals", _CRUD),
    ("components", "components and their configurations", _CRUD),
    ("registry", "the registry", ("read",)),
    ("filesystem", "the files of agents", ("read",)),
)
_COMPANY_FAMILIES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("wiki", "wiki pages", ("read", "write")),
    ("decisions", "recorded decisions of the company", ("read", "write")),
    ("sources", "sources", _CRUD),
    ("routines", "routines", ("read", "write")),
    ("products", "products", _CRUD),
    ("projects", "projects", _CRUD),
    ("tasks", "tasks", _CRUD),
)
_OWN_NOUNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "profiles": "provider profiles",
        "credentials": "the versions of provider credentials, never their secrets",
        "devices": "devices",
        "roles": "roles",
        "grants": "grants",
        "service_accounts": "service accounts and their API keys",
        "gateways": "gateways, their routes and tokens",
        "channels": "channel policies",
        "tokens": "issued tokens",
        "decisions": "recorded decisions",
        "status": "the health of credentials",
        "audit": "audit events",
        "keys": "signing keys",
        "reviews": "acts that wait for a second operator",
    }
)
# Only the agents, teams and workflows of AgentOS are asked for one by one; elsewhere an id makes a scope useless.
_WITH_IDS: Final = frozenset({"agents", "teams", "workflows"})
_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": "See {}.",
        "write": "Create and change {}.",
        "delete": "Delete {}.",
        "run": "Run {}, continue and cancel their runs.",
    }
)
_GATEWAY_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "config:write": "Migrate the databases of the gateway.",
        "metrics:write": "Recalculate metrics.",
        "approvals:write": "Resolve approvals that wait for an answer.",
        "knowledge:read": "See and search knowledge content.",
        "service_accounts:write": "Mint tokens for the gateway's own service accounts.",
        "service_accounts:delete": "Revoke the gateway's own service accounts.",
        AGENTOS_ADMIN: "Everything on the gateway.",
    }
)
_OWN_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "credentials:write": "Store new versions of provider credentials.",
        "credentials:resolve": "Lease a provider credential, its secret included.",
        "credentials:report": "Report how a leased credential fared.",
        "devices:approve": "Approve, reject and promote devices.",
        "tokens:issue": "Issue tokens for somebody else within one's own rights.",
        "tokens:write": "Revoke tokens.",
        "decisions:make": "Ask whether somebody may do something.",
        "status:write": "Clear cooldowns and acknowledge warnings.",
        "audit:write": "Make checkpoints of the audit chain.",
        "keys:write": "Rotate and retire signing keys.",
        "reviews:write": "Ask for an act that a second operator decides about.",
        "reviews:approve": "Approve or reject what somebody else asked for.",
        AUTHSVC_ADMIN: "Everything in this tenant and environment.",
    }
)
SEED_NAMES: Final[Mapping[str, str]] = MappingProxyType({"memory": "memories", "system": "config"})
_SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "execute": "run",
        "create": "write",
        "update": "write",
        "list": "read",
        "get": "read",
        "view": "read",
        "remove": "delete",
    }
)


def _gateway_entries() -> tuple[ScopeEntry, ...]:
    families = [(*family, False) for family in _FAMILIES] + [(*family, True) for family in _COMPANY_FAMILIES]
    entries = [
        ScopeEntry(
            resource,
            action,
            _GATEWAY_SENTENCES.get(f"{resource}:{action}") or _SENTENCES[action].format(noun),
            takes_id=resource in _WITH_IDS,
            audience=Audience.GATEWAY,
            company=company,
        )
        for resource, noun, actions, company in families
        for action in actions
    ]
    return (_admin_entry(AGENTOS_ADMIN, Audience.GATEWAY), *entries, *_seed_entries())


def _seed_entries() -> tuple[ScopeEntry, ...]:
    return tuple(
        ScopeEntry(
            name,
            "read",
            f"The older name of {target}:read.",
            takes_id=False,
            audience=Audience.GATEWAY,
            alias_of=f"{target}:read",
        )
        for name, target in SEED_NAMES.items()
    )


def _own_entries() -> tuple[ScopeEntry, ...]:
    entries = [
        ScopeEntry(
            resource,
            action,
            _OWN_SENTENCES.get(f"{resource}:{action}") or _SENTENCES[action].format(_OWN_NOUNS[resource]),
            takes_id=False,
            audience=Audience.AUTHSVC,
        )
        for resource, actions in OWN_ACTIONS.items()
        for action in sorted(actions)
    ]
    return (_admin_entry(AUTHSVC_ADMIN, Audience.AUTHSVC), *entries)


def _admin_entry(scope: str, audience: Audience) -> ScopeEntry:
    sentence = {**_GATEWAY_SENTENCES, **_OWN_SENTENCES}[scope]
    resource, action = scope.split(":")
    return ScopeEntry(resource, action, sentence, takes_id=False, audience=audience)


CATALOGUE: Final[tuple[ScopeEntry, ...]] = _gateway_entries() + _own_entries()


def entries_for(audience: Audience, *, company: bool = True) -> tuple[ScopeEntry, ...]:
    """Return what can be granted for one audience, with or without the company families."""
    return tuple(entry for entry in CATALOGUE if entry.audience is audience and (company or not entry.company))


def find_entry(scope: str, audience: Audience | None = None) -> ScopeEntry | None:
    """Return the entry that ``scope`` (with or without an id) belongs to, or None; any audience unless one is named."""
    try:
        parsed = parse(scope)
    except InvalidScope:
        return None
    return _INDEX.get((audience, parsed.resource, parsed.action))


def is_known(scope: str, extra: Iterable[str] = (), *, audience: Audience | None = None) -> bool:
    """Whether ``scope`` may be granted: catalogued, or defined by the tenant (``extra``, two-part or literal)."""
    return not any(finding.is_refusal for finding in lint(scope, extra, audience=audience))


def lint(scope: str, extra: Iterable[str] = (), *, audience: Audience | None = None) -> list[Finding]:
    """Return the remarks about one scope, refusals first; an empty list means it does what it says."""
    try:
        parsed = parse(scope)
    except InvalidScope as refusal:
        return [Finding(scope, FindingCode.MALFORMED, refusal.detail, refusal.suggestion)]
    if not {scope, f"{parsed.resource}:{parsed.action}"}.isdisjoint(extra):
        return []
    entry = _INDEX.get((audience, parsed.resource, parsed.action))
    if entry is None:
        return [_unknown(scope, parsed, audience)]
    return _advice(scope, parsed, entry)


def expand_for_agno(scopes: Iterable[str]) -> frozenset[str]:
    """Add to every scope with a seed name the one that AgentOS reads: ``memory:x`` and also ``memories:x``."""
    written = frozenset(scopes)
    heads = ((scope.partition(":")) for scope in written)
    return written | {f"{SEED_NAMES[head]}:{rest}" for head, _, rest in heads if head in SEED_NAMES and rest}


def _unknown(scope: str, parsed: Scope, audience: Audience | None) -> Finding:
    """Name the part that is unknown and the nearest known scope."""
    resource = _nearest(parsed.resource, _RESOURCES[audience])
    if parsed.resource in _RESOURCES[audience]:
        code, message = FindingCode.UNKNOWN_ACTION, f"{parsed.resource!r} knows no action {parsed.action!r}."
    else:
        code, message = FindingCode.UNKNOWN_RESOURCE, f"No scope is about {parsed.resource!r}."
    return Finding(scope, code, message, _known_scope(resource, parsed, audience))


def _known_scope(resource: str | None, parsed: Scope, audience: Audience | None) -> str | None:
    if resource is None:
        return None
    actions = [entry.action for key, entry in _INDEX.items() if key[:2] == (audience, resource)]
    action = _nearest(parsed.action, actions)
    return None if action is None else str(Scope(resource, parsed.resource_id, action))


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was most likely meant."""
    known = sorted(known)
    guess = SEED_NAMES.get(word.lower()) or _SYNONYMS.get(word.lower()) or word.lower()
    if guess in known:
        return guess
    return next(iter(difflib.get_close_matches(guess, known, n=1, cutoff=0.75)), None)


def _advice(scope: str, parsed: Scope, entry: ScopeEntry) -> list[Finding]:
    """Remark on what may be granted and yet surprises."""
    findings = []
    if entry.alias_of is not None:
        message = f"AgentOS calls this {entry.alias_of!r}; tokens for it carry both names."
        findings.append(Finding(scope, FindingCode.SEED_NAME, message, entry.alias_of))
    if not entry.takes_id and not parsed.is_for_every_id:
        message = f"{entry.resource!r} is never asked for one id at a time, so this grants nothing."
        findings.append(Finding(scope, FindingCode.ID_IGNORED, message, entry.scope))
    return findings


def _index() -> Mapping[tuple[Audience | None, str, str], ScopeEntry]:
    """Key every entry by audience and, for callers that name none, without; a shared name then means the gateway's."""
    index: dict[tuple[Audience | None, str, str], ScopeEntry] = {}
    for entry in CATALOGUE:
        index[(entry.audience, entry.resource, entry.action)] = entry
        index.setdefault((None, entry.resource, entry.action), entry)
    return MappingProxyType(index)


_INDEX: Final = _index()
# No suggestion may lead into an admin namespace or back to a seed name.
_NEVER_SUGGESTED: Final = frozenset({"agent_os", "authsvc", *SEED_NAMES})
_RESOURCES: Final[Mapping[Audience | None, frozenset[str]]] = MappingProxyType(
    {
        audience: frozenset(key[1] for key in _INDEX if key[0] is audience)
        - {"agent_os", "authsvc"}
        - SEED_NAMES.keys()
        for audience in (None, *Audience)
    }
)

_EVERY_READ: Final = frozenset(f"{resource}:read" for resource, _, _ in _FAMILIES)
# Seeing the service accounts of a gateway counts as privileged upstream, so the bundles leave it to the administrator.
_HARMLESS_READ: Final = _EVERY_READ - {"service_accounts:read"}
_RUN_ALL: Final = frozenset({"agents:run", "teams:run", "workflows:run"})
PRESET_ROLES: Final[tuple[PresetRole, ...]] = (
    PresetRole(
        "administrator",
        "Administrator",
        "May do everything on the gateway.",
        frozenset({AGENTOS_ADMIN}),
    ),
    PresetRole(
        "read-only",
        "Read-only",
        "Sees everything but service accounts; runs and changes nothing.",
        _HARMLESS_READ,
    ),
    PresetRole(
        "power-user",
        "Power user",
        "Sees everything but service accounts, runs everything, keeps sessions, memories, knowledge and schedules.",
        _HARMLESS_READ
        | _RUN_ALL
        | {"sessions:write", "memories:write", "knowledge:write", "schedules:write", "approvals:write"},
    ),
    PresetRole(
        "limited-user",
        "Limited user",
        "Sees and runs the agents named in the grant and keeps sessions.",
        frozenset({"sessions:read", "sessions:write"}),
        per_agent=frozenset({"read", "run"}),
    ),
)
