"""Makes in the demo's acme/prod what the measured paths need, through the same services as everybody; prints JSON.

Run as a program against the database of the server that is measured: ``python -m tests.bench.seed``.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

FAR_ROUTE = {"method": "GET", "pattern": "/reports/*", "scopes": ["agents:read"], "minimum_trust": 0}


def seed(document: dict[str, object], now: datetime) -> dict[str, object]:
    """Return the secrets and ids of what was made; ``document`` is the demo's acme/prod."""
    from authsvc.tenants.models import Environment
    from authsvc.tenants.services import environment_caller, system_caller
    from authsvc.tokens.keys import active_key, private_place
    from authsvc.tokens.models import ApiKeyKind
    from authsvc.vault.services import open_text
    from devices.models import DeviceType
    from devices.services.enrol import enrol_device
    from devices.services.lifecycle import approve_device
    from rbac.models import Gateway, GatewayKind
    from rbac.services.gateways import create_gateway
    from rbac.services.grants import create_grant
    from rbac.services.routes import set_routes
    from rbac.services.service_accounts import create_service_account, issue_account_key

    place = Environment.unscoped.select_related("tenant").get(tenant__slug="acme", name="prod")
    inside = environment_caller(system_caller(), place)
    agentos = Gateway.objects.for_environment(inside).get(id=document["gateway"]["id"])  # type: ignore[index]
    set_routes(inside, gateway=agentos, rules=[FAR_ROUTE], unmapped="deny", now=now)
    elliptic = create_gateway(
        inside, name="Elliptic", kind=GatewayKind.GENERIC, audience="bench-es256", algorithm="ES256", now=now
    )
    account = create_service_account(
        inside, name="Bench", default_scopes=["agents:read", "agents:agent-1:run"], now=now
    )
    create_grant(inside, principal=account.principal, scopes=["agents:read", "agents:agent-1:run"], now=now)
    create_grant(inside, principal=account.principal, scopes=["decisions:make", "tokens:read"], now=now)
    create_grant(inside, principal=agentos.principal, scopes=["decisions:make"], now=now)
    secret = issue_account_key(inside, account=account, kind=ApiKeyKind.CLIENT_SECRET, name="bench", now=now)
    bound = issue_account_key(
        inside, account=account, kind=ApiKeyKind.API_KEY, name="bound", address_ranges=["127.0.0.0/8"], now=now
    )
    enrolment = enrol_device(
        inside, name="Bench", device_type=DeviceType.ESP32, gateway=elliptic, requested_scopes=["agents:read"], now=now
    )
    approve_device(inside, device=enrolment.device, user_code=enrolment.user_code, reason="bench", now=now)
    key = active_key(inside, now=now)
    return {
        "account": account.id,
        "client_secret": secret.text.reveal(),
        "bound_key": bound.text.reveal(),
        "device": {"id": enrolment.device.id, "secret": enrolment.secret.reveal()},
        "kid": key.kid,
        "private_key_pem": open_text(private_place(key), key.private_sealed).reveal(),
        "expires": int((now + timedelta(hours=6)).timestamp()),
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")
    import django

    django.setup()
    print(json.dumps(seed(json.load(sys.stdin), datetime.now(UTC))))  # noqa: T201
