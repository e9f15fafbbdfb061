"""Routes of the front door: OAuth per environment, metadata with its aliases, and the REST calls below ``/api/v1/``."""

from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from authsvc.gate.device_flow import device_authorization_endpoint
from authsvc.gate.forward_auth import forward_auth_endpoint
from authsvc.gate.grants import token_endpoint
from authsvc.gate.introspect import introspection_endpoint
from authsvc.gate.jwks import jwks_endpoint, pem_endpoint
from authsvc.gate.metadata import metadata_endpoint
from authsvc.gate.revoke import revocation_endpoint
from authsvc.gate.views import (
    audit,
    decisions,
    device_authentication,
    device_page,
    keys,
    limits,
    members,
    origins,
    promotions,
    reviews,
    snippets,
    tenant,
    tokens,
)
from authsvc.web import paths  # noqa: F401 - registers <id:…>
from authsvc.web.methods import require_method, require_post, require_read

ISSUER = "t/<slug:tenant>/<slug:environment>"

oauth = [
    path(f"{ISSUER}/oauth/token", csrf_exempt(require_post(token_endpoint))),
    path(f"{ISSUER}/oauth/device_authorization", csrf_exempt(require_post(device_authorization_endpoint))),
    path(f"{ISSUER}/oauth/introspect", csrf_exempt(require_post(introspection_endpoint))),
    path(f"{ISSUER}/oauth/revoke", csrf_exempt(require_post(revocation_endpoint))),
    path(f"{ISSUER}/.well-known/jwks.json", require_read(jwks_endpoint)),
    path(f"{ISSUER}/jwks.pem", require_read(pem_endpoint)),
    path(f"{ISSUER}/gateways/<name:gateway>/forward-auth", csrf_exempt(forward_auth_endpoint)),
    path(f"{ISSUER}/gateways/<name:gateway>/forward-auth<anything:suffix>", csrf_exempt(forward_auth_endpoint)),
    path("device", require_method("GET", "HEAD", "POST")(device_page.device_page)),
    path(f".well-known/oauth-authorization-server/{ISSUER}", require_read(metadata_endpoint)),
    path(f".well-known/openid-configuration/{ISSUER}", require_read(metadata_endpoint)),
    path(f"{ISSUER}/.well-known/oauth-authorization-server", require_read(metadata_endpoint)),
    path(f"{ISSUER}/.well-known/openid-configuration", require_read(metadata_endpoint)),
]

api = [
    path("me", decisions.Me.as_view()),
    path("decide", decisions.Decide.as_view()),
    path("decide/batch", decisions.DecideBatch.as_view()),
    path("filter", decisions.Filter.as_view()),
    path("access", decisions.Access.as_view()),
    path("explain", decisions.Explain.as_view()),
    path("tokens", tokens.TokenList.as_view()),
    path("tokens/revoke-all", tokens.TokenRevokeAll.as_view()),
    path("tokens/diagnose", tokens.TokenDiagnosis.as_view()),
    path("tokens/<id:jti>", tokens.TokenDetail.as_view()),
    path("members", members.MemberList.as_view()),
    path("members/<id:operator_id>", members.MemberDetail.as_view()),
    path("members/<id:operator_id>/sign-out", members.MemberSignOut.as_view()),
    path("invitations", members.InvitationList.as_view()),
    path("invitations/<id:invitation_id>", members.InvitationDetail.as_view()),
    path("gateways/<id:gateway_id>/snippets", snippets.GatewaySnippets.as_view()),
    path("token-policy", tokens.TokenPolicyDetail.as_view()),
    path("tenant", tenant.TenantDetail.as_view()),
    path("tenant/suspend", tenant.TenantSuspension.as_view()),
    path("limits", limits.Limits.as_view()),
    path("origins", origins.Origins.as_view()),
    path("keys", keys.SigningKeyList.as_view()),
    path("keys/rotate", keys.KeyRotation.as_view()),
    path("keys/activate", keys.KeyActivation.as_view()),
    path("keys/<id:key_id>/retire", keys.KeyRetirement.as_view()),
    path("devices/<id:device_id>/authenticate", device_authentication.DeviceAuthentication.as_view()),
    path("devices/<id:device_id>/challenge", device_authentication.DeviceChallenge.as_view()),
    path("devices/<id:device_id>/prove", device_authentication.DeviceProof.as_view()),
    path("reviews", reviews.ReviewList.as_view()),
    path("reviews/<id:review_id>", reviews.ReviewDetail.as_view()),
    path("reviews/<id:review_id>/approve", reviews.ReviewApproval.as_view()),
    path("reviews/<id:review_id>/reject", reviews.ReviewRejection.as_view()),
    path("four-eyes", reviews.FourEyes.as_view()),
    path("promotions", promotions.PromotionList.as_view()),
    path("promotions/<name:source>", promotions.PromotionPlan.as_view()),
    path("audit", audit.AuditList.as_view()),
    path("audit/export", audit.AuditExport.as_view()),
    path("audit/checkpoints", audit.AuditCheckpointList.as_view()),
]
