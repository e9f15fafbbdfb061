"""Whether two actors are two people: whoever handed out a service account's proof may hold it.

An operator stands for itself. A service account stands for itself and for everybody who issued or rotated a key of
it, minted its tokens or set its public keys; for an account that did so, the same again. Two actors are independent
when nobody stands behind both. What the service itself or a command set up counts for nobody: whoever is on the
machine needs no approval.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from authsvc.audit.models import AuditEvent
from authsvc.web.caller import CallerKind

PROOF_EVENTS = ("api_key.issued", "api_key.rotated", "principal.created", "principal.updated", "token.issued")
NOBODY = (CallerKind.SYSTEM.value, CallerKind.COMMAND.value)
MOST_STEPS = 8


def are_independent(tenant_id: str, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """True when nobody stands behind both actors, given as (kind, id)."""
    return hands_of(tenant_id, one).isdisjoint(hands_of(tenant_id, other))


def hands_of(tenant_id: str, actor: tuple[str, str]) -> frozenset[str]:
    """Return the ids of everybody who may hold a proof of this actor, itself included."""
    kind, actor_id = actor
    known, fresh = {actor_id}, {actor_id} if kind == CallerKind.SERVICE_ACCOUNT else set()
    for _ in range(MOST_STEPS):
        found = _issuers(tenant_id, fresh) if fresh else set()
        fresh = {issuer for _, issuer in found} - known
        known |= fresh
        fresh = {issuer for issuer_kind, issuer in found if issuer_kind == CallerKind.SERVICE_ACCOUNT} & fresh
    return frozenset(known)


def _issuers(tenant_id: str, principal_ids: Iterable[str]) -> set[tuple[str, str]]:
    ids = list(principal_ids)
    about = Q(subject_id__in=ids) | Q(detail__principal_id__in=ids)
    events = AuditEvent.objects.filter(tenant_id=tenant_id, event_type__in=PROOF_EVENTS).filter(about)
    pairs = events.exclude(actor_kind__in=NOBODY).order_by().values_list("actor_kind", "actor_id").distinct()
    return set(pairs)
