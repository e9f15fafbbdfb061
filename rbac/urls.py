"""Routes of the rights API, below ``/api/v1/``."""

from django.urls import path

from authsvc.web import paths  # noqa: F401 - registers <id:…>
from rbac.views import channels, gateways, pairing, roles, service_accounts

urlpatterns = [
    path("scopes", roles.ScopeList.as_view()),
    path("scopes/<id:scope_id>", roles.ScopeDetail.as_view()),
    path("roles", roles.RoleList.as_view()),
    path("roles/<id:role_id>", roles.RoleDetail.as_view()),
    path("grants", roles.GrantList.as_view()),
    path("grants/<id:grant_id>", roles.GrantDetail.as_view()),
    path("service-accounts", service_accounts.ServiceAccountList.as_view()),
    path("service-accounts/<id:account_id>", service_accounts.ServiceAccountDetail.as_view()),
    path("service-accounts/<id:account_id>/keys", service_accounts.AccountKeyList.as_view()),
    path("service-accounts/<id:account_id>/keys/<id:key_id>", service_accounts.AccountKeyDetail.as_view()),
    path("service-accounts/<id:account_id>/keys/<id:key_id>/rotate", service_accounts.AccountKeyRotation.as_view()),
    path("service-accounts/<id:account_id>/keys/<id:key_id>/never-expire", service_accounts.AccountKeyEnd.as_view()),
    path("gateways", gateways.GatewayList.as_view()),
    path("gateways/<id:gateway_id>", gateways.GatewayDetail.as_view()),
    path("gateways/<id:gateway_id>/routes", gateways.GatewayRoutes.as_view()),
    path("gateways/<id:gateway_id>/jwks-acknowledgement", gateways.KeySetAcknowledgement.as_view()),
    path("gateways/<id:gateway_id>/shared-secret", gateways.GatewaySharedSecret.as_view()),
    path("gateways/<id:gateway_id>/tokens", gateways.GatewayTokenList.as_view()),
    path("gateways/<id:gateway_id>/tokens/import", gateways.GatewayTokenImport.as_view()),
    path("gateways/<id:gateway_id>/tokens/<id:key_id>", gateways.GatewayTokenDetail.as_view()),
    path("gateways/<id:gateway_id>/tokens/<id:key_id>/rotate", gateways.GatewayTokenRotation.as_view()),
    path("channels", channels.ChannelList.as_view()),
    path("channels/check", channels.ChannelCheck.as_view()),
    path("channels/import", channels.ChannelImport.as_view()),
    path("channels/<id:channel_id>/export", channels.ChannelExport.as_view()),
    path("channels/<id:channel_id>/pairing", pairing.PairingList.as_view()),
    path("channels/<id:channel_id>/pairing/approve", pairing.PairingApprovalView.as_view()),
    path("channels/<id:channel_id>/pairing/<id:pairing_id>", pairing.PairingDetail.as_view()),
    path("channels/<id:channel_id>", channels.ChannelDetail.as_view()),
]
