"""The auditor reads everything of the tenant and can change nothing: no button, and no POST that works."""

from __future__ import annotations

from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant
from tests.admin.crawl import addresses, example_ids, pages
from tests.world import World


def test_auditor_sees_every_list_and_row_without_a_button(world: World, auditor: Client) -> None:
    tenant = Tenant.objects.get(slug="acme")
    world.prod.api().post("/invitations", {"invited": "kim", "role": "auditor"})
    for model, row_id in example_ids(tenant).items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for url in (base, f"{base}{row_id}/change/"):
            page = auditor.get(url)
            assert page.status_code == 200, url
            text = page.content.decode()
            assert "/do/" not in text, url
            assert "/add/" not in text, url
            assert 'name="_save"' not in text, url
            assert 'name="action"' not in text, url


def test_auditor_posting_anywhere_changes_nothing(world: World, auditor: Client) -> None:
    tenant = Tenant.objects.get(slug="acme")
    world.prod.api().post("/invitations", {"invited": "kim", "role": "auditor"})
    before = AuditEvent.objects.count()
    for model, row_id in example_ids(tenant).items():
        page = pages()[model]
        fields = {name for action in page.service_actions for name in action.form.base_fields}
        if page.service_add_form:
            fields |= set(page.service_add_form.base_fields)
        body = {**dict.fromkeys(fields, "1"), "environment": world.prod.environment().id, "post": "yes"}
        for address in addresses(model, row_id):
            status = auditor.post(address.url, body).status_code
            is_reading = address.name.endswith(("_changelist", "_history"))
            assert status in ({200, 302} if is_reading else {302, 403, 404}), address.url
        assert model._default_manager.filter(pk=row_id).exists()
    assert AuditEvent.objects.count() == before


def test_auditor_has_no_add_page(world: World, auditor: Client) -> None:
    for page in pages().values():
        assert auditor.get(f"/admin/{page.opts.app_label}/{page.opts.model_name}/add/").status_code == 404


def test_tenant_owner_cannot_raise_itself(world: World, acme: Client) -> None:
    from authsvc.tenants.models import Operator

    operator = Operator.objects.get(username="acme")
    body = {"is_superuser": "on", "groups": "1", "role": "owner", "tenant": world.foreign.environment().tenant_id}
    for url in (
        f"/admin/authsvc/operator/{operator.id}/change/",
        "/admin/authsvc/operator/add/",
        "/admin/authsvc/membership/add/",
        "/admin/authsvc/tenant/add/",
        "/admin/authsvc/environment/add/",
    ):
        assert acme.post(url, {**body, "operator": operator.id}).status_code in {403, 404}
    operator.refresh_from_db()
    assert not operator.is_superuser
    assert [row.tenant.slug for row in operator.memberships.select_related("tenant")] == ["acme"]
