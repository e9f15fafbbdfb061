"""Which scopes make an administrator (ours, AgentOS's, the admin scope of each gateway), and who confirms their grant.

People confirm by naming each such scope once more: in the admin and at a terminal it is one click away from any other
role. A program that repeats a field proves nothing, so it is asked only when it sends ``confirm`` itself; what stands
between a program and an administrator's scope is that it must hold it, and the tenant's second operator.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Conflict
from rbac.models import Gateway
from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN

PEOPLE = frozenset({CallerKind.OPERATOR, CallerKind.COMMAND})


class ConfirmationRequired(Conflict):
    """The act makes an administrator, and nobody has said yet that it is meant to; ``extra`` names what to confirm."""

    slug, title = "confirmation_required", "Confirm this"

    def __init__(self, scopes: list[str]) -> None:
        sentence = f"This makes an administrator. To confirm, repeat: {' '.join(scopes)}"
        super().__init__(sentence, errors={"confirm": [sentence]}, extra={"confirm": scopes})


def require_confirmation(caller: Caller, scopes: list[str], confirmed: Collection[str] | None) -> None:
    """Raise ``ConfirmationRequired`` unless an administrator's ``scopes`` are confirmed, or approved in a review."""
    is_asked = confirmed is not None or caller.kind in PEOPLE
    if is_asked and not caller.review_id and set(scopes) - set(confirmed or ()):
        raise ConfirmationRequired(scopes)


def administration_in(caller: Caller, scopes: Iterable[str]) -> list[str]:
    """Return those of the scopes that make somebody an administrator, in order."""
    wanted = set(scopes)
    if not wanted:
        return []
    own = set(Gateway.objects.for_environment(caller).values_list("admin_scope", flat=True))
    return sorted(wanted & {AUTHSVC_ADMIN, AGENTOS_ADMIN, *own})
