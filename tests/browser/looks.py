"""The pages that are looked at: for pictures, for accessibility, for width."""

from __future__ import annotations

from typing import Any


def pages_of(place: dict[str, Any]) -> dict[str, str]:
    """Return the address of each page worth a look, by a short name."""
    device, pending = place["device"]["id"], place["pending_device"]["id"]
    ids = place["ids"]
    return {
        "dashboard": "/admin/",
        "devices": "/admin/devices/device/",
        "device": f"/admin/devices/device/{device}/change/",
        "approve": f"/admin/devices/device/{pending}/do/approve/",
        "fleet-code": "/admin/devices/enrolmentcode/add/",
        "code": "/device?user_code=BCDF-GHJK",
        "issue": f"/admin/authsvc/issuedtoken/add/?account={place['client_id']}",
        "tokens": "/admin/authsvc/issuedtoken/",
        "keys": "/admin/authsvc/apikey/",
        "explain": "/admin/authsvc/issuedtoken/explain/",
        "profiles": "/admin/profiles/profile/",
        "profile": f"/admin/profiles/profile/{ids['profile']}/change/",
        "store": "/admin/profiles/profile/add/",
        "grant": "/admin/rbac/grant/add/",
        "account": f"/admin/rbac/serviceaccount/{place['client_id']}/change/",
        "audit": "/admin/authsvc/auditevent/",
        "tenants": "/admin/authsvc/tenant/",
        "onboarding": "/admin/authsvc/tenant/onboard/",
        "reviews": "/admin/authsvc/review/",
        "promotion": "/admin/authsvc/review/promote/?source=dev&environment=" + place["environment_id"],
        "import": "/admin/profiles/profile/import/",
        "order": "/admin/profiles/profile/outlook/?provider=anthropic&agent=main&environment="
        + place["environment_id"],
        "providers": "/admin/profiles/providerentry/",
        "provider": "/admin/profiles/providerentry/add/",
        "credential-rules": "/admin/profiles/profilesettings/add/",
        "inbox": "/admin/devices/device/?status=pending",
        "leases": "/admin/profiles/lease/",
        "role": "/admin/rbac/role/add/",
        "matrix": "/admin/rbac/role/matrix/?place=" + place["environment_id"],
        "gateway": f"/admin/rbac/gateway/{ids['gateway']}/change/",
        "routes": f"/admin/rbac/gateway/{ids['gateway']}/routes/",
        "channels": "/admin/rbac/channelpolicy/",
        "channel": "/admin/rbac/channelpolicy/add/",
        "channel-import": "/admin/rbac/channelpolicy/import/",
        "pairings": "/admin/rbac/channelpairing/",
        "api-key": f"/admin/rbac/serviceaccount/{place['client_id']}/do/api-key/",
        "second-factor": "/admin/second-factor/",
        "sessions": "/admin/sessions/",
        "status": "/admin/profiles/profile/status/?environment=" + place["environment_id"],
        "chains": "/admin/authsvc/auditevent/chains/",
        "search": "/admin/search/?q=acme",
    }
