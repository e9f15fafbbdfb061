"""How the audit chains of an operator's tenants stand, verified on request, and one of them as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from authsvc.audit.checkpoints import verify_tenant
from authsvc.audit.exported import export_lines
from authsvc.audit.models import PLATFORM, AuditCheckpoint, AuditHead
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_site import operator_of, visible_tenants

MOST_EVENTS_HERE = 200_000
MOST_CHAINS = 200


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: whose, how long, and its last signed checkpoint."""

    tenant_id: str
    name: str
    length: int
    checkpoint: AuditCheckpoint | None

    @property
    def is_short_enough(self) -> bool:
        """True when it can be verified while somebody waits."""
        return self.length <= MOST_EVENTS_HERE


def chains_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the chains; a POST verifies the one it names."""
    chains = _chains(request)
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": "Audit chains",
        "chains": chains,
    }
    if request.method == "POST":
        chosen = _chosen(chains, request.POST.get("tenant", ""))
        if chosen.is_short_enough:
            context |= {"verified": chosen, "verdict": verify_tenant(chosen.tenant_id)}
    return TemplateResponse(request, "admin/audit_chains.html", context)


def export_chain(request: HttpRequest) -> HttpResponseBase:
    """Return one chain as JSON lines; ``authsvc audit verify --file`` needs nothing else."""
    chosen = _chosen(_chains(request), request.GET.get("tenant", ""))
    response = StreamingHttpResponse(_encoded(chosen.tenant_id), content_type="application/x-ndjson")
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{chosen.name}.jsonl"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _encoded(tenant_id: str) -> Iterator[bytes]:
    for line in export_lines(tenant_id):
        yield line.encode() + b"\n"


def _chosen(chains: list[Chain], tenant_id: str) -> Chain:
    chosen = next((chain for chain in chains if chain.tenant_id == tenant_id), None)
    if chosen is None:
        raise Http404
    return chosen


def _chains(request: HttpRequest) -> list[Chain]:
    operator = operator_of(request)
    names = dict(visible_tenants(operator).order_by("slug").values_list("id", "slug")[:MOST_CHAINS])
    if operator.is_superuser:
        names = {PLATFORM: PLATFORM, **names}
    lengths = dict(AuditHead.objects.filter(tenant_id__in=names).values_list("tenant_id", "sequence"))
    return [
        Chain(tenant_id, name, lengths.get(tenant_id, 0), _last_checkpoint(tenant_id))
        for tenant_id, name in names.items()
    ]


def _last_checkpoint(tenant_id: str) -> AuditCheckpoint | None:
    return AuditCheckpoint.objects.filter(tenant_id=tenant_id).order_by("-sequence").first()
