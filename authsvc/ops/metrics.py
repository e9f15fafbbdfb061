"""``/metrics`` for Prometheus: counts of the whole installation, from listed addresses only, and no tenant's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse

from authsvc.audit.models import AuditEvent, AuditHead
from authsvc.ops.health import readiness_problems
from authsvc.tenants.models import Tenant
from authsvc.tokens.models import ApiKey, IssuedToken, SigningKey
from authsvc.web.client_address import client_address, is_address_in
from authsvc.web.problems import Forbidden
from devices.models import Device
from profiles.models import Credential, CredentialState, Lease
from rbac.models import Gateway

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[str, float]


class MetricsNotForYou(Forbidden):
    """The address is not in ``AUTHSVC_METRICS_CIDRS``."""

    slug, title = "metrics_not_from_here", "Not from this address"
    default_detail = "Metrics are answered to listed addresses only."


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the counts as text; raises ``MetricsNotForYou``."""
    if not is_address_in(client_address(request), settings.METRICS_NETWORKS):
        raise MetricsNotForYou
    return HttpResponse("".join(rendered(datetime.now(UTC))), content_type=CONTENT_TYPE)


def rendered(now: datetime) -> Iterator[str]:
    """Yield the exposition format: help, type and samples of each metric."""
    for name, text, samples in _gauges(now):
        yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
        for labels, value in samples:
            yield f"{name}{labels} {value:g}\n"


def _gauges(now: datetime) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    ready = not readiness_problems()
    yield "authsvc_ready", "1 when database, migrations and keys are there.", [("", float(ready))]
    if not ready:
        return
    yield "authsvc_tenants", "Tenants by state.", _by(Tenant.objects, "state")
    yield "authsvc_devices", "Devices by status.", _by(Device.unscoped, "status")
    yield "authsvc_signing_keys", "Signing keys by state.", _by(SigningKey.unscoped, "state")
    yield "authsvc_gateways", "Registered gateways by kind.", _by(Gateway.unscoped, "kind")
    living = ApiKey.unscoped.filter(revoked_at__isnull=True)
    yield "authsvc_api_keys", "Opaque proofs not revoked, by kind.", _by(living, "kind")
    tokens = IssuedToken.unscoped.filter(expires_at__gt=now, revoked_at__isnull=True).count()
    yield "authsvc_access_tokens", "Access tokens alive.", [("", tokens)]
    yield "authsvc_leases", "Credential leases alive.", [("", Lease.unscoped.filter(expires_at__gt=now).count())]
    current = Credential.unscoped.filter(state=CredentialState.CURRENT)
    expired = current.filter(expires_at_ms__lte=int(now.timestamp() * 1000)).count()
    yield "authsvc_credentials", "Current credential versions.", [("", current.count())]
    yield "authsvc_credentials_expired", "Current credential versions that have expired.", [("", expired)]
    yield "authsvc_audit_events", "Audit events stored.", [("", AuditEvent.objects.count())]
    yield "authsvc_audit_chains", "Audit chains.", [("", AuditHead.objects.count())]


def _by(rows: object, field: str) -> list[Sample]:
    counted = rows.order_by().values_list(field).annotate(Count("pk")).order_by(field)  # type: ignore[attr-defined]
    return [(f'{{{field}="{value}"}}', count) for value, count in counted]
