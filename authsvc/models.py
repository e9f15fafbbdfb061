"""Gathers the models of the ground floors, so that they share the app label ``authsvc``."""

from authsvc.audit.models import AuditCheckpoint, AuditEvent, AuditHead
from authsvc.tenants.models import Environment, Membership, Operator, Principal, Tenant
from authsvc.tenants.review_models import Review
from authsvc.tokens.models import ApiKey, IssuedToken, RefreshFamily, RefreshToken, SigningKey, UsedAssertion
from authsvc.vault.models import DataKey
from authsvc.web.limit_models import LimitBucket

__all__ = [
    "ApiKey",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditHead",
    "DataKey",
    "Environment",
    "IssuedToken",
    "LimitBucket",
    "Membership",
    "Operator",
    "Principal",
    "RefreshFamily",
    "RefreshToken",
    "Review",
    "SigningKey",
    "Tenant",
    "UsedAssertion",
]
