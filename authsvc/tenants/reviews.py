"""Use cases of reviews: one operator asks, a second one approves, and the act is applied in that transaction.

Each room registers the acts it knows: how to say what would change, and the service call that changes it. An approval
carries the digest of what the approver saw; when the state has moved on since the request, it is refused as stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, Fields, ReviewRequired, set_four_eyes
from authsvc.tenants.independence import are_independent
from authsvc.tenants.models import Operator, Principal, PrincipalState, Tenant
from authsvc.tenants.review_lines import ReviewLine, digest_of, shown
from authsvc.tenants.review_models import Review, ReviewState
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Conflict, Forbidden, NotFound, Problem, ValidationFailed

LIFE = timedelta(days=3)
MOST_WAITING = 100
ADMINISTRATOR = "authsvc:admin"
# What these callers are forbidden is audited at the door they came through.
AUDITED_AT_THE_DOOR = frozenset({CallerKind.SERVICE_ACCOUNT, CallerKind.DEVICE, CallerKind.GATEWAY})

Lines = Sequence[ReviewLine]


class ReviewClosed(Conflict):
    """Somebody decided about it, or it waited too long."""

    slug, title = "review_closed", "The review is closed"
    default_detail = "Somebody decided about this already, or it waited longer than three days."


class ReviewStale(Conflict):
    """What would change is not what was asked for or seen."""

    slug, title = "review_stale", "The review is stale"
    default_detail = "What this would change is no longer what was asked for; ask for a new review."


class SelfApproval(Forbidden):
    """Nobody approves what they asked for, under whichever name."""

    slug, title = "self_approval", "A second person must approve"
    default_detail = "Whoever asked cannot approve, nor may anybody whose proof they could hold."


class TooManyReviews(Conflict):
    """Enough requests wait in this environment."""

    slug, title = "too_many_reviews", "Too many reviews wait"
    default_detail = f"{MOST_WAITING} reviews wait here already; decide about some first."


class ActNotHeld(Forbidden):
    """The caller lacks the scope the act itself requires."""

    slug, title = "scope_not_held", "Scope not held"


@dataclass(frozen=True, slots=True)
class ReviewedAct:
    """An act as its room knows it; ``describe`` raises what ``apply`` would, as far as can be told before."""

    act: Act
    scope: str
    describe: Callable[[Caller, Fields, datetime], Lines]
    apply: Callable[[Caller, Fields, datetime], object]


ACTS: dict[str, ReviewedAct] = {}


def register(reviewed: ReviewedAct) -> ReviewedAct:
    """Make an act known; each room calls this once for each of its acts."""
    ACTS[reviewed.act.value] = reviewed
    return reviewed


def request_review(caller: Caller, *, act: str, fields: Fields, reason: str = "", now: datetime) -> Review:
    """Ask for an act that a second operator decides about; raises what the act itself would raise."""
    reviewed = _known(act)
    _require(caller, reviewed.scope)
    if _waiting(caller, now).count() >= MOST_WAITING:
        raise TooManyReviews
    lines = reviewed.describe(caller, fields, now)
    review = Review(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        act=act,
        fields=dict(fields),
        lines=[asdict(line) for line in lines],
        digest=digest_of(act, fields, lines),
        reason=reason,
        requested_by=caller.principal_id,
        requested_kind=caller.kind.value,
        created_at=now,
        expires_at=now + LIFE,
    )
    with transaction.atomic():
        review.save(force_insert=True)
        detail = {"act": act, "digest": review.digest, "reason": reason, "expires_at": review.expires_at.isoformat()}
        record(caller, "review.requested", subject_id=review.id, detail=detail, now=now)
    return review


def request_instead(refused: ReviewRequired, *, reason: str, now: datetime) -> Review:
    """Ask for exactly the act that was just refused for want of a second operator."""
    return request_review(refused.caller, act=refused.act, fields=refused.fields, reason=reason, now=now)


def approve_review(caller: Caller, *, review: Review, digest: str, reason: str = "", now: datetime) -> Review:
    """Apply exactly what was asked for and seen, in one transaction with the approval and its events.

    Raises ``SelfApproval``, ``ReviewStale`` or ``ReviewClosed``; of two approvals at once one is refused as closed.
    Every refusal leaves one event.
    """
    with _audited_refusals(caller, review, now), transaction.atomic():
        locked = _close(caller, review, ReviewState.APPLIED, reason, now)
        reviewed = _known(locked.act)
        _require_second(caller, locked)
        _require(caller, reviewed.scope)
        lines = reviewed.describe(caller, locked.fields, now)
        if not digest == locked.digest == digest_of(locked.act, locked.fields, lines):
            raise ReviewStale
        reviewed.apply(replace(caller, review_id=locked.id), locked.fields, now)
        detail = {"act": locked.act, "digest": locked.digest, "requested_by": locked.requested_by, "reason": reason}
        record(caller, "review.applied", subject_id=locked.id, detail=detail, now=now)
    return locked


def reject_review(caller: Caller, *, review: Review, reason: str, now: datetime) -> Review:
    """Refuse a request; nothing changes."""
    return _end(caller, review, ReviewState.REJECTED, reason, now)


def withdraw_review(caller: Caller, *, review: Review, reason: str = "", now: datetime) -> Review:
    """Take one's own request back; raises ``Forbidden`` for somebody else's."""
    if review.requested_by != caller.principal_id:
        raise Forbidden("Only whoever asked takes a request back; reject it instead.")
    return _end(caller, review, ReviewState.WITHDRAWN, reason, now)


def get_review(caller: Caller, review_id: str) -> Review:
    """Return a review of the caller's environment; raises ``NotFound``."""
    review = Review.objects.for_environment(caller).filter(id=review_id).first()
    if review is None:
        raise NotFound
    return review


def lines_of(review: Review) -> list[ReviewLine]:
    """Return what the requester saw."""
    return [ReviewLine(**line) for line in review.lines]


def _end(caller: Caller, review: Review, state: ReviewState, reason: str, now: datetime) -> Review:
    with transaction.atomic():
        closed = _close(caller, review, state, reason, now)
        detail = {"act": closed.act, "reason": reason}
        record(caller, f"review.{state.value}", subject_id=closed.id, detail=detail, now=now)
    return closed


def _close(caller: Caller, review: Review, state: ReviewState, reason: str, now: datetime) -> Review:
    """Move a waiting review to its end, so that of several decisions at once exactly one goes on."""
    waiting = _waiting(caller, now).filter(id=review.id)
    noted = {"decided_by": caller.principal_id, "decided_at": now, "decision_reason": reason}
    if not waiting.update(state=state, **noted):
        raise ReviewClosed
    return get_review(caller, review.id)


def _waiting(caller: Caller, now: datetime) -> QuerySet[Review]:
    return Review.objects.for_environment(caller).filter(state=ReviewState.WAITING, expires_at__gt=now)


def _require_second(caller: Caller, review: Review) -> None:
    """Refuse the requester, whoever may be the requester in another coat, and requests of those who are gone."""
    asked = (review.requested_kind, review.requested_by)
    if not are_independent(caller.tenant_id, asked, (caller.kind.value, caller.principal_id)):
        raise SelfApproval
    if not _is_still_here(review):
        raise ReviewStale("Whoever asked for this may no longer act here; ask for a new review.")


def _is_still_here(review: Review) -> bool:
    match review.requested_kind:
        case CallerKind.OPERATOR:
            member = Q(is_superuser=True) | Q(memberships__tenant_id=review.tenant_id)
            return Operator.objects.filter(member, id=review.requested_by, is_active=True).exists()
        case CallerKind.COMMAND | CallerKind.SYSTEM:
            return True
        case _:
            here = Principal.objects.for_tenant(review.tenant_id).filter(environment_id=review.environment_id)
            return here.filter(id=review.requested_by, state=PrincipalState.ACTIVE).exists()


def _known(act: str) -> ReviewedAct:
    if act not in ACTS:
        raise ValidationFailed(errors={"act": [f"Choose one of {', '.join(sorted(ACTS))}."]})
    return ACTS[act]


def _require(caller: Caller, scope: str) -> None:
    if not caller.scopes & {scope, ADMINISTRATOR}:
        raise ActNotHeld(f"This act requires the scope {scope}.")


@contextmanager
def _audited_refusals(caller: Caller, review: Review, now: datetime) -> Iterator[None]:
    """Record a refused approval after everything it did was rolled back; then let the refusal go on."""
    try:
        yield
    except Problem as problem:
        if not (isinstance(problem, Forbidden) and caller.kind in AUDITED_AT_THE_DOOR):
            record(caller, "review.refused", subject_id=review.id, detail={"code": problem.slug}, now=now)
        raise


def _describe_relaxation(caller: Caller, fields: Fields, _now: datetime) -> Lines:
    present = Tenant.objects.values_list("four_eyes", flat=True).get(id=caller.tenant_id)
    return [ReviewLine("Acts that need a second operator", shown(present), shown(_acts(fields)))]


def _relax(caller: Caller, fields: Fields, now: datetime) -> object:
    return set_four_eyes(caller, acts=_acts(fields), now=now)


def _acts(fields: Fields) -> list[str]:
    acts = fields.get("acts")
    if not isinstance(acts, list) or not all(isinstance(act, str) for act in acts):
        raise ValidationFailed(errors={"acts": ["Give a list of acts."]})
    return sorted(set(acts))


register(ReviewedAct(Act.RELAXATION, ADMINISTRATOR, _describe_relaxation, _relax))
