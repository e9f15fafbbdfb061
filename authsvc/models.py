"""Gathers the models of the ground floors, so that they share the app label ``authsvc``."""

from authsvc.audit.models import AuditCheckpoint, AuditEvent, AuditHead, DecisionTally, RightsReach
from authsvc.operators.models import (
    Authenticator,
    Invitation,
    OperatorSession,
    Passkey,
    RecoveryCode,
    RecoveryCodes,
    UsedChallenge,
)
from authsvc.tenants.models import AllowedOrigin, Environment, Membership, Operator, Principal, Tenant
from authsvc.tenants.review_models import Review
from authsvc.tokens.models import (
    ApiKey,
    IssuedToken,
    RefreshFamily,
    RefreshToken,
    SigningKey,
    TokenPolicy,
    UsedAssertion,
)
from authsvc.vault.models import DataKey, IdempotentReply
from authsvc.web.limit_models import LimitBucket

__all__ = [
    "AllowedOrigin",
    "ApiKey",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditHead",
    "Authenticator",
    "DataKey",
    "DecisionTally",
    "Environment",
    "IdempotentReply",
    "Invitation",
    "IssuedToken",
    "LimitBucket",
    "Membership",
    "Operator",
    "OperatorSession",
    "Passkey",
    "Principal",
    "RecoveryCode",
    "RecoveryCodes",
    "RefreshFamily",
    "RefreshToken",
    "Review",
    "RightsReach",
    "SigningKey",
    "Tenant",
    "TokenPolicy",
    "UsedAssertion",
    "UsedChallenge",
]
