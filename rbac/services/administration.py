"""Which scopes make an administrator: ours, AgentOS's, and the admin scope of each gateway of the environment."""

from __future__ import annotations

from collections.abc import Iterable

from authsvc.web.caller import Caller
from rbac.models import Gateway
from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN


def administration_in(caller: Caller, scopes: Iterable[str]) -> list[str]:
    """Return those of the scopes that make somebody an administrator, in order."""
    wanted = set(scopes)
    if not wanted:
        return []
    own = set(Gateway.objects.for_environment(caller).values_list("admin_scope", flat=True))
    return sorted(wanted & {AUTHSVC_ADMIN, AGENTOS_ADMIN, *own})
