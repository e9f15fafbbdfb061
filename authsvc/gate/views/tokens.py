"""Issued tokens over the API: list, issue, revoke."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.diagnose import diagnose_token
from authsvc.gate.issue import Asked
from authsvc.gate.on_behalf import issue_on_behalf
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.gate.serializers import (
    DiagnosisInput,
    DiagnosisOutput,
    MintedTokenOutput,
    RevokeAllInput,
    RevokedCount,
    TokenInput,
    TokenOutput,
    TokenPolicyInput,
    TokenPolicyOutput,
)
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import IssuedToken
from authsvc.tokens.policy import set_token_policy, token_policy
from authsvc.tokens.services import MintedToken, get_token, revoke_all_tokens, revoke_token
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from rbac.services.gateways import get_gateway
from rbac.services.service_accounts import get_service_account


class TokenList(ApiView):
    """The tokens issued in the caller's environment."""

    required_scopes = {"GET": "tokens:read", "POST": "tokens:issue"}
    lists = True
    sensitive = True

    @extend_schema(responses=TokenOutput(many=True))
    def get(self, request: Request) -> Response:
        """List issued tokens, newest first; never the tokens themselves."""
        return self.page(IssuedToken.objects.for_environment(self.caller), TokenOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=TokenInput, responses={201: MintedTokenOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Issue an access token to a service account; it is shown this once."""
        fields = self.fields(TokenInput)
        account = get_service_account(self.caller, fields["principal_id"])
        asked = Asked(tuple(fields["scopes"]), fields["audience"], "issued_by_administrator", fields["ttl_seconds"])
        with transaction.atomic():
            minted = issue_on_behalf(self.caller, account=account, asked=asked, now=self.now)
            refresh = self._refresh(minted, asked) if fields["with_refresh_token"] else {}
        document = {
            "access_token": minted.text.reveal(),
            "token_type": "Bearer",
            "expires_in": int((minted.claims.expires_at - self.now).total_seconds()),
            "scope": " ".join(minted.claims.scopes),
            "jti": minted.claims.jti,
            **refresh,
        }
        return Response(document, status=201, headers={"Cache-Control": "no-store"})

    def _refresh(self, minted: MintedToken, asked: Asked) -> dict[str, str]:
        text = issue_refresh(self.caller, minted=minted, grant_type=asked.grant_type, now=self.now)
        return {"refresh_token": text.reveal()}


class TokenDetail(ApiView):
    """One issued token."""

    required_scopes = {"GET": "tokens:read", "DELETE": "tokens:write"}

    @extend_schema(responses=TokenOutput)
    def get(self, request: Request, jti: str) -> Response:
        """Show what was issued."""
        return Response(TokenOutput(get_token(self.caller, jti)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, jti: str) -> Response:
        """Revoke a token at once."""
        revoke_token(self.caller, jti=jti, reason="revoked by an administrator", now=self.now)
        return Response(status=204)


class TokenDiagnosis(ApiView):
    """Which check refuses a token."""

    required_scopes = {"POST": "tokens:read"}
    sensitive = True

    @extend_schema(request=DiagnosisInput, responses=DiagnosisOutput)
    def post(self, request: Request) -> Response:
        """Say which check of the verifier a token of this environment fails; the token is not kept."""
        fields = self.fields(DiagnosisInput)
        gateway = get_gateway(self.caller, fields["gateway"]) if "gateway" in fields else None
        audience = gateway.audience if gateway else API_AUDIENCE
        checks = diagnose_token(self.caller, fields["token"].strip(), audience=audience, now=self.now)
        document = {"accepted": all(check.passed for check in checks), "checks": [asdict(check) for check in checks]}
        return Response(document, headers={"Cache-Control": "no-store"})


class TokenPolicyDetail(ApiView):
    """How long proofs of the caller's environment live, and when its signing keys rotate."""

    required_scopes = {"GET": "tokens:read", "PATCH": "authsvc:admin"}

    @extend_schema(responses=TokenPolicyOutput)
    def get(self, request: Request) -> Response:
        """Show the policy."""
        caller = self.caller
        policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
        return Response(TokenPolicyOutput(policy).data)

    @extend_schema(request=TokenPolicyInput, responses=TokenPolicyOutput)
    def patch(self, request: Request) -> Response:
        """Change the named settings."""
        policy = set_token_policy(self.caller, changes=self.fields(TokenPolicyInput), now=self.now)
        return Response(TokenPolicyOutput(policy).data)


class TokenRevokeAll(ApiView):
    """Every living token of a principal, or of the environment."""

    required_scopes = {"POST": "tokens:write"}

    @extend_schema(request=RevokeAllInput, responses=RevokedCount)
    def post(self, request: Request) -> Response:
        """Revoke all at once."""
        fields = self.fields(RevokeAllInput)
        count = revoke_all_tokens(self.caller, **fields, now=self.now)
        return Response({"revoked": count})
