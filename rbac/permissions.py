"""The gate of every API view: the caller must hold the scope the view declares for the method."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from authsvc.web.caller import Caller
from authsvc.web.problems import Forbidden, InsufficientScope, Unauthenticated
from authsvc.web.scope_rules import ANY_CALLER, PROOF_IN_BODY
from rbac.credential_kinds import CredentialKind, permits
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes

if TYPE_CHECKING:  # DRF imports this module while it is itself being imported
    from rest_framework.views import APIView


class RequiresScope(BasePermission):
    """Deny by default: a method without a declared scope is refused to everybody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True or raise ``Unauthenticated``, ``InsufficientScope`` or ``Forbidden``."""
        scopes = getattr(view, "required_scopes", {})
        if scopes.get(request.method) == PROOF_IN_BODY:
            return True
        if not isinstance(request.user, Caller):
            raise Unauthenticated
        if request.method not in scopes:
            if request.method is not None and not hasattr(view, request.method.lower()):
                return True  # DRF answers 405 itself
            raise Forbidden
        require_scope(request.user, scopes[request.method])
        return True


def require_scope(caller: Caller, scope: str) -> None:
    """Raise ``InsufficientScope`` unless the caller holds ``scope`` on our own API and its kind of proof may use it."""
    if scope == ANY_CALLER:
        return
    if not has_scope(caller, scope):
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise InsufficientScope(
            f"This requires the scope {scope}.", extra={"scope": scope}, headers={"WWW-Authenticate": challenge}
        )


def has_scope(caller: Caller, scope: str) -> bool:
    """True when the caller holds ``scope`` on our own API and its kind of proof may use it."""
    return permits(CredentialKind(caller.proof), scope) and _held(caller.scopes).covers(scope)


@lru_cache(maxsize=1024)
def _held(scopes: frozenset[str]) -> HeldScopes:
    """Compile a caller's own scopes once."""
    return HeldScopes(scopes, admin_scope=AUTHSVC_ADMIN)
