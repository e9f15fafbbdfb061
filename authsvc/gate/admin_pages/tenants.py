"""Admin pages of tenants and environments. Opening a tenant is a use case of this floor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authsvc.gate.admin_pages.onboarding import onboarding_page
from authsvc.gate.closing import destroy_tenant
from authsvc.gate.onboarding import open_environment, open_tenant
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, always
from authsvc.tenants.admin_filters import TenantFilter
from authsvc.tenants.admin_site import operator_of
from authsvc.tenants.four_eyes import CHOICES, SENTENCES, set_four_eyes
from authsvc.tenants.limits import set_limits
from authsvc.tenants.models import Environment, Tenant, TenantState
from authsvc.tenants.operators import require_second_factor
from authsvc.tenants.origins import origins_of, set_origins
from authsvc.tenants.services import (
    platform_operator_caller,
    set_tenant_state,
)
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from rbac.admin_pages.forms import NothingForm, ReasonForm, ScopesText


class PlatformAdmin(HouseAdmin):
    """Pages whose add form acts above all tenants, for platform operators alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """True for platform operators."""
        return self.service_add_form is not None and operator_of(request).is_superuser

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """No environment is chosen here."""

    def add_caller(self, request: HttpRequest, form: forms.Form) -> Caller:
        """Return the platform operator."""
        operator = operator_of(request)
        return platform_operator_caller(operator, request_id=request_id_of(request), address=client_address(request))


class TenantForm(forms.Form):
    """A new tenant."""

    slug = forms.CharField(max_length=63, help_text="Stands in addresses: lower-case letters, digits and -.")
    name = forms.CharField(max_length=200)


class LimitsForm(forms.Form):
    """Requests a minute; the bounds are the service's."""

    general_limit = forms.IntegerField(required=False, help_text="1 to 1000 a minute; empty for the service's own.")
    sensitive_limit = forms.IntegerField(required=False, help_text="1 to 100 a minute; empty for the service's own.")


class OriginsForm(forms.Form):
    """Whose scripts may read answers in a browser."""

    origins = ScopesText(
        required=False,
        help_text="One a line, e.g. https://console.example.com. The service's own origins always count.",
    )


class DestroyForm(ReasonForm):
    """Why, and the tenant's name typed out."""

    confirmed_slug = forms.CharField(
        max_length=63,
        label="Type its name",
        help_text="Every credential and key of it is erased, in every backup too. There is no way back.",
    )


class FourEyesForm(forms.Form):
    """Which acts need a second operator."""

    acts = forms.MultipleChoiceField(
        required=False,
        choices=[(act.value, SENTENCES[act]) for act in CHOICES],
        widget=forms.CheckboxSelectMultiple,
        label="A second operator is needed to",
        help_text="Ticking holds at once. Taking a tick away needs a second operator itself.",
    )


@admin.register(Tenant)
class TenantAdmin(PlatformAdmin):
    """The customer boundary."""

    when_empty = "No tenant is here yet. Add one; it comes with dev and prod."
    tenant_lookup = "id"
    list_display = ("slug", "name", "state", "created_at")
    search_fields = ("slug", "name", "id")
    fields = (
        "id",
        "slug",
        "name",
        "state",
        "access_token_ttl_seconds",
        "credential_warn_seconds",
        "lease_ttl_seconds",
        "general_limit",
        "sensitive_limit",
        "origins",
        "require_mfa",
        "four_eyes",
        "created_at",
    )
    readonly_fields = fields
    service_add_form = TenantForm
    add_title = "Add tenant"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that leads to a working lease."""
        page = path("onboard/", self.admin_site.admin_view(self.onboarding_view), name="authsvc_tenant_onboard")
        return [page, *super().get_urls()]

    def onboarding_view(self, request: HttpRequest) -> HttpResponse:
        """Lead from nothing to a working lease."""
        return onboarding_page(self, request)

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Open the tenant."""
        tenant = open_tenant(caller, slug=fields["slug"], name=fields["name"], now=now)
        return f"Tenant {tenant} is ready, with dev and prod."

    def environment_of(self, row: Tenant) -> Environment:
        """Return one environment of the tenant, to act in."""
        return Environment.objects.for_tenant(row.id).select_related("tenant").order_by("name")[0]

    @staticmethod
    def _suspend(caller: Caller, row: Tenant, fields: Fields, now: datetime) -> str:
        set_tenant_state(caller, tenant=row, state=TenantState.SUSPENDED, reason=fields["reason"], now=now)
        return f"{row} is suspended; nothing of it is answered."

    @staticmethod
    def _resume(caller: Caller, row: Tenant, fields: Fields, now: datetime) -> str:
        set_tenant_state(caller, tenant=row, state=TenantState.ACTIVE, reason=fields["reason"], now=now)
        return f"{row} is back."

    @staticmethod
    def _destroy(caller: Caller, row: Tenant, fields: Fields, now: datetime) -> str:
        typed, reason = fields["confirmed_slug"], fields["reason"]
        erased = destroy_tenant(caller, tenant=row, confirmed_slug=typed, reason=reason, now=now)
        return f"{row} is destroyed; {erased} keys are erased, and nothing they sealed can be read again."

    @staticmethod
    def _require_mfa(caller: Caller, row: Tenant, _fields: Fields, now: datetime) -> str:
        require_second_factor(caller, tenant=row, is_required=not row.require_mfa, now=now)
        return f"{row} {'requires' if row.require_mfa else 'no longer requires'} a second factor."

    @staticmethod
    def _set_limits(caller: Caller, row: Tenant, fields: Fields, now: datetime) -> str:
        general, sensitive = fields["general_limit"], fields["sensitive_limit"]
        set_limits(caller, tenant=row, general_limit=general, sensitive_limit=sensitive, now=now)
        return f"{row} may ask {general or 'as usual'} times a minute, {sensitive or 'as usual'} on sensitive routes."

    @staticmethod
    def _set_origins(caller: Caller, row: Tenant, fields: Fields, now: datetime) -> str:
        listed = set_origins(caller, tenant=row, origins=fields["origins"], now=now)
        return f"{row} lists {', '.join(listed) or 'no origin of its own'}."

    @admin.display(description="Origins of browser applications")
    def origins(self, row: Tenant) -> str:
        """Return the origins the tenant lists."""
        return ", ".join(origins_of(row)) or "none of its own"

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Return the limits, the origins and the acts as they are."""
        limits = {"general_limit": row.general_limit, "sensitive_limit": row.sensitive_limit}
        return {**limits, "acts": row.four_eyes, "origins": "\n".join(origins_of(row))}

    @staticmethod
    def _four_eyes(caller: Caller, _row: Tenant, fields: Fields, now: datetime) -> str:
        acts = set_four_eyes(caller, acts=fields["acts"], now=now)
        return f"A second operator is needed for: {', '.join(sorted(acts)).replace('_', ' ') or 'nothing'}."

    def place_of(self, row: Tenant) -> None:
        """Name no environment: a tenant lies above them."""

    service_actions = (
        ServiceAction("limits", "Set limits", "authsvc:admin", LimitsForm, _set_limits),
        ServiceAction("origins", "Set origins", "authsvc:admin", OriginsForm, _set_origins),
        ServiceAction("four-eyes", "Second operator", "authsvc:admin", FourEyesForm, _four_eyes),
        ServiceAction(
            "require-mfa",
            "Require a second factor",
            "authsvc:admin",
            NothingForm,
            _require_mfa,
            applies=lambda row: not row.require_mfa,
        ),
        ServiceAction(
            "release-mfa",
            "No longer require a second factor",
            "authsvc:admin",
            NothingForm,
            _require_mfa,
            is_dangerous=True,
            applies=lambda row: row.require_mfa,
            asks_again=always,
        ),
        ServiceAction(
            "suspend",
            "Suspend",
            "authsvc:admin",
            ReasonForm,
            _suspend,
            is_dangerous=True,
            applies=lambda row: row.state == TenantState.ACTIVE,
            asks_again=always,
        ),
        ServiceAction(
            "destroy",
            "Destroy for good",
            "authsvc:admin",
            DestroyForm,
            _destroy,
            is_dangerous=True,
            applies=lambda row: row.state == TenantState.SUSPENDED,
            asks_again=always,
        ),
        ServiceAction(
            "resume",
            "Resume",
            "authsvc:admin",
            ReasonForm,
            _resume,
            applies=lambda row: row.state == TenantState.SUSPENDED,
        ),
    )


class EnvironmentForm(forms.Form):
    """A named further environment."""

    tenant = forms.ModelChoiceField(queryset=Tenant.objects.none())
    name = forms.CharField(max_length=63)


@admin.register(Environment)
class EnvironmentAdmin(PlatformAdmin):
    """dev, prod, and named thirds."""

    when_empty = "No environment is here yet. Adding a tenant makes dev and prod."
    list_display = ("__str__", "id", "created_at")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    fields = ("id", "tenant", "name", "created_at")
    readonly_fields = fields
    service_add_form = EnvironmentForm
    add_title = "Add environment"

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Offer every tenant."""
        form.fields["tenant"] = forms.ModelChoiceField(queryset=Tenant.objects.filter(state=TenantState.ACTIVE))

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Open the environment."""
        return f"{open_environment(caller, tenant=fields['tenant'], name=fields['name'], now=now)} is ready."
