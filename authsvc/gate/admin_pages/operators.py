"""Admin pages of operators and memberships: created, changed and ended by the platform and by tenant owners."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from authsvc.gate.admin_pages.tenants import PlatformAdmin
from authsvc.operators.factors import remove_factors
from authsvc.operators.sessions import end_sessions, open_sessions
from authsvc.tenants.admin_base import Fields, ServiceAction, always
from authsvc.tenants.admin_filters import TenantFilter
from authsvc.tenants.admin_site import caller_in, operator_of
from authsvc.tenants.models import Environment, Membership, MembershipRole, Operator, Tenant, TenantState
from authsvc.tenants.operators import (
    POWERFUL,
    change_membership,
    remove_membership,
    set_operator_active,
    set_operator_password,
)
from authsvc.tenants.second_factor import has_factor
from authsvc.tenants.services import add_membership, create_operator, visible_tenant_ids
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm

ALL = "authsvc:admin"
OF_TENANTS = {"sign-out"}  # what owners and admins of a tenant may do to those who work in it


class OperatorForm(forms.Form):
    """A new operator, who signs in here."""

    username = forms.CharField(max_length=150)
    email = forms.EmailField(required=False)
    password = forms.CharField(min_length=12, max_length=200, widget=forms.PasswordInput(render_value=False))
    is_platform = forms.BooleanField(required=False, help_text="Sees every tenant.")


class PasswordForm(forms.Form):
    """A new password."""

    password = forms.CharField(min_length=12, max_length=200, widget=forms.PasswordInput(render_value=False))


@admin.register(Operator)
class OperatorAdmin(PlatformAdmin):
    """People who sign in here."""

    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    search_fields = ("username", "email")
    fields = ("id", "username", "email", "is_active", "is_superuser", "last_login", "created_at")
    readonly_fields = fields
    service_add_form = OperatorForm
    add_title = "Add operator"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operator]:
        """Return every operator for the platform; else those who share a tenant with the operator."""
        tenant_ids = visible_tenant_ids(operator_of(request))
        if tenant_ids is None:
            return Operator.objects.order_by("username")
        return Operator.objects.filter(memberships__tenant_id__in=tenant_ids).distinct().order_by("username")

    def place_of(self, row: Operator) -> None:
        """Name no environment: an operator lies above them."""

    def find_caller(self, request: HttpRequest, row: Any) -> Caller | None:
        """Return the platform operator, or who administrates a tenant that the operator works in."""
        if operator_of(request).is_superuser:
            return self.add_caller(request, forms.Form())
        if row.is_superuser:
            return None
        theirs = set(row.memberships.values_list("tenant_id", flat=True))
        shared = [place for place in self.environments(request, ALL) if place.tenant_id in theirs]
        return caller_in(request, shared[0]) if shared else None

    def action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Let tenants end sessions; everything else about an operator is the platform's."""
        if name not in OF_TENANTS and not operator_of(request).is_superuser:
            raise Http404
        return super().action_view(request, object_id, name)

    def _buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        found = super()._buttons(request, row)
        if operator_of(request).is_superuser:
            return found
        return [button for button in found if button["url"].rstrip("/").rpartition("/")[2] in OF_TENANTS]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Show the open sessions to who may end them, and to the operator itself."""
        may_look = operator_of(request).id == row.id or self.find_caller(request, row) is not None
        return {"sessions": open_sessions(row, now=datetime.now(UTC))} if may_look else {}

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for an operator who sees every tenant."""
        return bool(form.cleaned_data["is_platform"])

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the operator."""
        operator = create_operator(caller, **fields, now=now)
        return f"Operator {operator} is created; give it a membership."

    @staticmethod
    def _password(caller: Caller, row: Operator, fields: Fields, now: datetime) -> str:
        set_operator_password(caller, operator=row, password=fields["password"], now=now)
        return f"{row} has a new password; its sessions have ended."

    @staticmethod
    def _sign_out(caller: Caller, row: Operator, _fields: Fields, now: datetime) -> str:
        return f"{end_sessions(caller, operator=row, now=now)} sessions of {row} have ended."

    @staticmethod
    def _remove_factor(caller: Caller, row: Operator, _fields: Fields, now: datetime) -> str:
        remove_factors(caller, operator=row, now=now)
        return f"{row} has no second factor any more."

    @staticmethod
    def _disable(caller: Caller, row: Operator, _fields: Fields, now: datetime) -> str:
        set_operator_active(caller, operator=row, is_active=False, now=now)
        return f"{row} can no longer sign in."

    @staticmethod
    def _enable(caller: Caller, row: Operator, _fields: Fields, now: datetime) -> str:
        set_operator_active(caller, operator=row, is_active=True, now=now)
        return f"{row} can sign in again."

    service_actions = (
        ServiceAction("password", "Set password", ALL, PasswordForm, _password, asks_again=always),
        ServiceAction("sign-out", "End sessions", ALL, NothingForm, _sign_out),
        ServiceAction(
            "remove-factor",
            "Remove second factor",
            ALL,
            NothingForm,
            _remove_factor,
            is_dangerous=True,
            applies=has_factor,
            asks_again=always,
        ),
        ServiceAction(
            "disable", "Disable", ALL, NothingForm, _disable, is_dangerous=True, applies=lambda row: row.is_active
        ),
        ServiceAction(
            "enable", "Enable", ALL, NothingForm, _enable, applies=lambda row: not row.is_active, asks_again=always
        ),
    )


class RoleForm(forms.Form):
    """Another role."""

    role = forms.ChoiceField(choices=MembershipRole.choices)


class MembershipForm(forms.Form):
    """A role of an operator in a tenant."""

    operator = forms.ModelChoiceField(queryset=Operator.objects.none())
    tenant = forms.ModelChoiceField(queryset=Tenant.objects.none())
    role = forms.ChoiceField(choices=MembershipRole.choices)


@admin.register(Membership)
class MembershipAdmin(PlatformAdmin):
    """Who may do what in which tenant."""

    list_display = ("operator", "tenant", "role", "created_at")
    list_filter = (TenantFilter, "role")
    list_select_related = ("operator", "tenant")
    fields = ("operator", "tenant", "role", "created_at")
    readonly_fields = fields
    service_add_form = MembershipForm
    add_title = "Add membership"

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Offer every operator and tenant."""
        form.fields["operator"] = forms.ModelChoiceField(queryset=Operator.objects.filter(is_active=True))
        form.fields["tenant"] = forms.ModelChoiceField(queryset=Tenant.objects.filter(state=TenantState.ACTIVE))

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for a role that may do everything in the tenant."""
        return form.cleaned_data["role"] in POWERFUL

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Give the role."""
        role = MembershipRole(fields["role"])
        return str(add_membership(caller, operator=fields["operator"], tenant=fields["tenant"], role=role, now=now))

    def environment_of(self, row: Membership) -> Environment:
        """Return one environment of the tenant, to act in."""
        return Environment.objects.for_tenant(row.tenant_id).select_related("tenant").order_by("name")[0]

    def place_of(self, row: Membership) -> None:
        """Name no environment: a membership holds in all of them."""

    def initial_for(self, action: ServiceAction, row: Any) -> dict[str, Any]:
        """Show the role as it is."""
        return {"role": row.role}

    @staticmethod
    def _change(caller: Caller, row: Membership, fields: Fields, now: datetime) -> str:
        return str(change_membership(caller, membership=row, role=MembershipRole(fields["role"]), now=now))

    @staticmethod
    def _remove(caller: Caller, row: Membership, _fields: Fields, now: datetime) -> str:
        text = str(row)
        remove_membership(caller, membership=row, now=now)
        return f"Removed: {text}."

    @staticmethod
    def _raises(_row: Membership, fields: Fields) -> bool:
        return fields["role"] in POWERFUL

    service_actions = (
        ServiceAction("change-role", "Change role", ALL, RoleForm, _change, asks_again=_raises),
        ServiceAction("remove", "Remove", ALL, NothingForm, _remove, is_dangerous=True),
    )
