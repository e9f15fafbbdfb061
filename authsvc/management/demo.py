"""The demo: two tenants with everything a first look or a test needs, made through the same services as real ones.

The document with its secrets is kept 0600 under ``var/`` in development, so that a second start prints it again;
production refuses.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from authsvc.gate.onboarding import open_tenant
from authsvc.tenants.models import Environment, MembershipRole, Operator, Tenant
from authsvc.tenants.services import add_membership, create_operator, environment_caller
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.keys import active_key, private_place
from authsvc.tokens.models import ApiKeyKind
from authsvc.vault.services import open_text
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from authsvc.web.secret_text import SecretText
from devices.models import Device, DeviceType
from devices.services.enrol import Enrolment, enrol_device
from devices.services.lifecycle import approve_device
from profiles.models import Credential
from profiles.providers import Kind
from profiles.services.store import ProfileRules, SecretMaterial, create_profile
from rbac.models import GatewayKind
from rbac.scopes import AGENTOS_ADMIN
from rbac.services.channels import create_channel
from rbac.services.gateways import create_gateway, issue_gateway_token
from rbac.services.grants import create_grant
from rbac.services.roles import create_role
from rbac.services.service_accounts import create_service_account, issue_account_key

TENANTS = ("acme", "globex")
AGENTS = ("agent-1", "agent-2", "agent-3")
DEVICE_SCOPES = ("credentials:report", "credentials:resolve", "decisions:make", "status:read")
PENDING_DAYS = 30
OPERATORS = (
    ("platform", "", None),
    ("acme", "acme", MembershipRole.OWNER),
    ("globex", "globex", MembershipRole.OWNER),
    ("acme-auditor", "acme", MembershipRole.AUDITOR),
)


class DemoRefused(Problem):
    """The demo is for development only."""

    slug, title, status = "demo_refused", "No demo here", 409
    default_detail = "The demo is for development; production refuses it."


class DemoSecretsGone(Problem):
    """The demo tenants exist and the file with their secrets does not."""

    slug, title, status = "demo_secrets_gone", "Demo secrets are gone", 409
    default_detail = "The demo exists here, and its secrets were kept elsewhere; start with an empty database."


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """Everything of one environment, as the document shows it."""

    issuer: str
    client_id: str
    client_secret: str
    reader: dict[str, str]
    api_key: str
    gateway: dict[str, str]
    device: dict[str, str]
    pending_device: dict[str, str]
    ids: dict[str, str]
    marker: str
    agents: tuple[str, ...] = field(default=AGENTS)


def demo_document(caller: Caller, *, now: datetime) -> tuple[dict[str, object], bool]:
    """Return the demo's document, and whether it was made just now; raises ``DemoRefused`` or ``DemoSecretsGone``."""
    if settings.PRODUCTION:
        raise DemoRefused
    existing = Tenant.objects.filter(slug=TENANTS[0]).first()
    if existing is not None:
        kept = _path(existing)
        if not kept.exists():
            raise DemoSecretsGone
        document: dict[str, object] = json.loads(kept.read_text())
        return {**document, "base_url": settings.AUTHSVC_BASE_URL}, False
    with transaction.atomic():
        document = _make(caller, now)
        _keep(_path(Tenant.objects.get(slug=TENANTS[0])), document)
    return document, True


def _make(caller: Caller, now: datetime) -> dict[str, object]:
    environments: dict[str, object] = {}
    for slug in TENANTS:
        tenant = open_tenant(caller, slug=slug, name=slug.capitalize(), now=now)
        for environment in Environment.objects.for_tenant(tenant.id).select_related("tenant").order_by("-name"):
            inside = environment_caller(caller, environment)
            environments[str(environment)] = asdict(_furnish(inside, now))
    return {
        "base_url": settings.AUTHSVC_BASE_URL,
        "operators": {name: _operator(caller, name, tenant, role, now) for name, tenant, role in OPERATORS},
        "environments": environments,
        "signing_key": _signing_key(caller, now),
    }


def _furnish(inside: Caller, now: datetime) -> DemoEnvironment:
    marker = f"marker-{inside.tenant}-{inside.environment}-{secrets.token_hex(6)}"
    gateway = create_gateway(
        inside,
        name=f"AgentOS {marker}",
        kind=GatewayKind.AGNO,
        audience=f"{inside.tenant}-{inside.environment}-agentos",
        now=now,
    )
    role = create_role(inside, name=f"Everything {marker}", description=marker, scopes=["authsvc:admin"], now=now)
    account = create_service_account(
        inside,
        name=f"Administrator {marker}",
        description=marker,
        default_scopes=[
            "authsvc:admin",
            *(f"agents:{agent}:{action}" for agent in AGENTS[:2] for action in ("read", "run")),
        ],
        now=now,
    )
    given: dict[str, Any] = {"principal": account.principal, "reason": marker, "now": now}
    grant = create_grant(inside, role=role, confirmed=role.scopes, **given)
    create_grant(inside, scopes=[AGENTOS_ADMIN], confirmed=[AGENTOS_ADMIN], gateway=gateway, **given)
    api_key = issue_account_key(inside, account=account, kind=ApiKeyKind.API_KEY, name=marker, now=now)
    profile = create_profile(
        inside,
        provider="anthropic",
        name="default",
        material=SecretMaterial(Kind.API_KEY, {"key": SecretText(f"sk-ant-api03-DEMO-{secrets.token_hex(40)}")}),
        rules=ProfileRules(description=marker),
        origin="demo",
        now=now,
    )
    channel = create_channel(
        inside,
        channel="telegram",
        name=marker,
        rules=[{"subject_kind": "user", "subject_id": 123456789, "effect": "allow"}],
        now=now,
    )
    active = _enrol(inside, f"Kitchen speaker {marker}", now)
    approve_device(inside, device=active.device, user_code=active.user_code, reason=marker, now=now)
    pending = _enrol(inside, f"Lab sensor {marker}", now)
    waiting = Device.objects.for_environment(inside).filter(id=pending.device.id)
    waiting.update(request_expires_at=now + timedelta(days=PENDING_DAYS))
    return DemoEnvironment(
        issuer=issuer_of(inside.tenant, inside.environment),
        client_id=account.id,
        client_secret=issue_account_key(
            inside, account=account, kind=ApiKeyKind.CLIENT_SECRET, name=marker, now=now
        ).text.reveal(),
        reader=_reader(inside, marker, now),
        api_key=api_key.text.reveal(),
        gateway={
            "id": gateway.id,
            "audience": gateway.audience,
            "token": issue_gateway_token(inside, gateway=gateway, name=marker, now=now).text.reveal(),
        },
        device={"id": active.device.id, "secret": active.secret.reveal()},
        pending_device={"id": pending.device.id, "user_code": pending.user_code},
        ids={
            "profile": profile.id,
            "credential": Credential.objects.for_environment(inside).get(profile=profile).id,
            "device": active.device.id,
            "role": role.id,
            "grant": grant.id,
            "service_account": account.id,
            "gateway": gateway.id,
            "channel": channel.id,
            "api_key": api_key.key.id,
        },
        marker=marker,
    )


def _enrol(inside: Caller, name: str, now: datetime) -> Enrolment:
    return enrol_device(
        inside,
        name=name,
        device_type=DeviceType.ESP32,
        platform="esp-idf",
        firmware_version="1.0.0",
        capabilities=["microphone", "speaker"],
        requested_scopes=list(DEVICE_SCOPES),
        now=now,
    )


def _reader(inside: Caller, marker: str, now: datetime) -> dict[str, str]:
    account = create_service_account(
        inside, name=f"Reader {marker}", description=marker, default_scopes=["profiles:read"], now=now
    )
    role = create_role(inside, name=f"Profile reader {marker}", scopes=["profiles:read"], now=now)
    create_grant(inside, principal=account.principal, role=role, reason=marker, now=now)
    secret = issue_account_key(inside, account=account, kind=ApiKeyKind.CLIENT_SECRET, name=marker, now=now)
    return {"client_id": account.id, "client_secret": secret.text.reveal()}


def _operator(caller: Caller, name: str, tenant: str, role: MembershipRole | None, now: datetime) -> dict[str, str]:
    password = secrets.token_urlsafe(18)
    operator = Operator.objects.filter(username=name).first()
    if operator is None:
        operator = create_operator(caller, username=name, password=password, is_platform=role is None, now=now)
    else:
        operator.set_password(password)
        operator.save(update_fields=["password"])
    if role is not None:
        add_membership(caller, operator=operator, tenant=Tenant.objects.get(slug=tenant), role=role, now=now)
    return {"username": name, "password": password}


def _signing_key(caller: Caller, now: datetime) -> dict[str, str]:
    environment = Environment.unscoped.select_related("tenant").get(tenant__slug="acme", name="prod")
    key = active_key(environment_caller(caller, environment), now=now)
    pem = open_text(private_place(key), key.private_sealed).reveal()
    return {"environment": "acme/prod", "kid": key.kid, "private_key_pem": pem}


def _path(tenant: Tenant) -> Path:
    return Path(settings.STATE_DIRECTORY) / f"demo-{tenant.id}.json"


def _keep(path: Path, document: dict[str, object]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
