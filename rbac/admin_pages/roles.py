"""Admin pages of roles and grants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_forms import offer
from authsvc.tenants.models import Environment, Principal
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import ConfirmText, NothingForm, ReasonForm, ScopesText, administrates, grouped
from rbac.admin_pages.grants_matrix import matrix_page
from rbac.admin_pages.scope_choices import PICKABLE, SCOPE_CHOICES
from rbac.models import Gateway, Grant, Role
from rbac.services.grants import create_grant, get_principal, revoke_grant
from rbac.services.roles import create_role, delete_role, get_role, update_role


class RoleForm(forms.Form):
    """A role."""

    name = forms.CharField(max_length=200)
    description = forms.CharField(max_length=2000, required=False)
    picked = forms.MultipleChoiceField(
        required=False, label="Scopes", choices=PICKABLE, widget=forms.CheckboxSelectMultiple
    )
    scopes = ScopesText(
        required=False, label="More scopes", help_text="One a line: for one id (agents:agent-1:run), or of your own."
    )
    confirm = ConfirmText()

    def clean(self) -> dict[str, Any]:
        """Add the ticked scopes to the typed ones; a role allows something."""
        cleaned = {**(super().clean() or {})}
        together = list(dict.fromkeys([*cleaned.pop("picked", ()), *cleaned.get("scopes", ())]))
        if not self.errors and not together:
            self.add_error("picked", "Choose at least one scope.")
        return {**cleaned, "scopes": together}


@admin.register(Role)
class RoleAdmin(HouseAdmin):
    """Named sets of scopes."""

    when_empty = "No role is here yet. Add one from the list of scopes."
    list_display = ("name", "where", "scopes", "created_at")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "name")
    list_select_related = ("environment__tenant",)
    fields = ("id", "name", "environment", "description", "scopes", "created_at")
    readonly_fields = fields
    service_add_form = RoleForm
    add_scope = "roles:write"
    add_title = "Add role"
    service_add_template = "admin/role.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the matrix of who holds which role."""
        page = path("matrix/", self.admin_site.admin_view(self.matrix_view), name="rbac_role_matrix")
        return [page, *super().get_urls()]

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """Show who holds which role."""
        return matrix_page(self, request)

    def add_context(self, request: HttpRequest, form: forms.Form) -> dict[str, Any]:
        """Offer every scope with its sentence."""
        return {"scope_choices": SCOPE_CHOICES, "ticked": request.POST.getlist("picked")}

    def action_context(self, request: HttpRequest, action: ServiceAction, row: Any) -> dict[str, Any]:
        """Tick what the role has."""
        ticked = request.POST.getlist("picked") if request.method == "POST" else row.scopes
        return {"scope_choices": SCOPE_CHOICES, "ticked": ticked}

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for a role that administrates."""
        return administrates(form.cleaned_data["scopes"])

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the role."""
        role = create_role(
            caller, name=fields["name"], description=fields["description"], scopes=fields["scopes"], now=now
        )
        return f"Role {role} is created."

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Show the role as it is."""
        others = [scope for scope in row.scopes if scope not in dict(PICKABLE)]
        return {"name": row.name, "description": row.description, "scopes": "\n".join(others)}

    @staticmethod
    def _edit(caller: Caller, row: Role, fields: Fields, now: datetime) -> str:
        confirmed = fields["confirm"]
        update_role(
            caller,
            role=row,
            name=fields["name"],
            description=fields["description"],
            scopes=fields["scopes"],
            confirmed=confirmed,
            now=now,
        )
        return f"Role {row} is changed; so are the rights of everybody who holds it."

    @staticmethod
    def _delete(caller: Caller, row: Role, _fields: Fields, now: datetime) -> str:
        name = row.name
        delete_role(caller, role=row, now=now)
        return f"Role {name} is deleted."

    service_actions = (
        ServiceAction(
            "edit",
            "Edit",
            "roles:write",
            RoleForm,
            _edit,
            template="admin/role.html",
            asks_again=lambda row, fields: administrates([*row.scopes, *fields["scopes"]]),
        ),
        ServiceAction("delete", "Delete", "roles:write", NothingForm, _delete, is_dangerous=True),
    )


class GrantForm(forms.Form):
    """A role for a principal of the same environment."""

    principal = forms.ChoiceField()
    role = forms.ChoiceField()
    gateway = forms.ChoiceField(required=False, help_text="Only at this gateway; empty means everywhere.")
    expires_at = forms.DateTimeField(required=False, help_text="UTC; empty means until it is revoked.")
    reason = forms.CharField(max_length=2000, required=False)
    confirm = ConfirmText()

    def fill(self, environments: list[Environment]) -> None:
        """Offer the principals, roles and gateways of these environments."""
        offer(self, "principal", grouped(Principal, environments))
        offer(self, "role", grouped(Role, environments))
        offer(self, "gateway", [("", "everywhere"), *grouped(Gateway, environments)])

    def place_id(self) -> str:
        """Return the environment of the chosen principal."""
        return str(Principal.unscoped.values_list("environment_id", flat=True).get(id=self.cleaned_data["principal"]))


@admin.register(Grant)
class GrantAdmin(HouseAdmin):
    """Who holds which role, where and until when."""

    when_empty = "Nobody holds a role here yet. Grant one to a service account or a device."
    list_display = ("principal", "given", "gateway", "where", "expires_at", "revoked_at", "created_at")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "principal__name", "role__name")
    list_select_related = ("principal", "role", "gateway", "environment__tenant")
    fields = (
        "id",
        "principal",
        "given",
        "gateway",
        "environment",
        "reason",
        "granted_by",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    readonly_fields = fields
    service_add_form = GrantForm
    add_scope = "grants:write"
    add_title = "Add grant"

    @admin.display(description="role or scopes")
    def given(self, row: Grant) -> str:
        """Return what is granted."""
        return str(row.role) if row.role else " ".join(row.scopes)

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for a role that administrates."""
        return administrates(get_role(self.add_caller(request, form), form.cleaned_data["role"]).scopes)

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the grant."""
        gateway = Gateway.objects.for_environment(caller).filter(id=fields["gateway"]).first()
        grant = create_grant(
            caller,
            principal=get_principal(caller, fields["principal"]),
            role=get_role(caller, fields["role"]),
            gateway=gateway,
            expires_at=fields["expires_at"],
            reason=fields["reason"],
            confirmed=fields["confirm"],
            now=now,
        )
        return f"Granted: {grant}."

    @staticmethod
    def _revoke(caller: Caller, row: Grant, fields: Fields, now: datetime) -> str:
        revoke_grant(caller, grant=row, reason=fields["reason"], now=now)
        return f"Revoked: {row}."

    service_actions = (
        ServiceAction(
            "revoke",
            "Revoke",
            "grants:write",
            ReasonForm,
            _revoke,
            is_dangerous=True,
            applies=lambda row: row.revoked_at is None,
        ),
    )
