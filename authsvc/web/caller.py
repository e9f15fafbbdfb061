"""Who is asking: the verified principal of this request, passed explicitly to every service. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class CallerKind(StrEnum):
    """What kind of actor a caller is."""

    SERVICE_ACCOUNT = "service_account"
    DEVICE = "device"
    GATEWAY = "gateway"
    OPERATOR = "operator"
    COMMAND = "command"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Caller:
    """One verified actor inside one tenant and, except for operators and commands, one environment.

    ``scopes`` are effective now; ``trust_level`` is 0 to 3; ``proof`` names the kind of proof presented
    (``access_token``, ``api_key``, ``operator_session``, …); ``token_id`` is the jti or key id behind it; ``review_id``
    is set only while an act that two operators agreed on is applied; ``changes`` is the tenant's count of changes from
    before anything was looked up, ``None`` where nobody counts.
    Born only in ``gate/authentication.py`` (API) and ``tenants/services.py`` (operators and commands).
    """

    tenant_id: str
    tenant: str
    environment_id: str
    environment: str
    principal_id: str
    kind: CallerKind
    scopes: frozenset[str]
    trust_level: int = 0
    proof: str = ""
    token_id: str = ""
    device_id: str = ""
    audience: str = ""
    request_id: str = ""
    address: str = ""
    review_id: str = ""
    changes: int | None = field(default=None, compare=False)

    @property
    def is_authenticated(self) -> bool:
        """True: DRF asks this of whoever it takes for a user."""
        return True

    def within(self, environment_id: str, environment: str) -> Caller:
        """Return this caller placed in an environment of its tenant (operators and commands choose one)."""
        return replace(self, environment_id=environment_id, environment=environment)
