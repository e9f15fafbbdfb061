"""Admin page of invitations: a link shown once, mailed where mail is configured, withdrawn while nobody used it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from authsvc.operators.invitations import LIFE, SentInvitation, invite, withdraw_invitation
from authsvc.operators.mail import can_send, send
from authsvc.operators.models import Invitation
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, ShownOnce
from authsvc.tenants.admin_filters import TenantFilter
from authsvc.tenants.admin_forms import offer
from authsvc.tenants.admin_site import caller_in, chosen_place
from authsvc.tenants.models import Environment, MembershipRole, Tenant
from authsvc.tenants.operators import POWERFUL
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound
from rbac.admin_pages.forms import NothingForm

ALL = "authsvc:admin"
SUBJECT = "You are invited to {tenant}"
TEXT = """You are invited to work in {tenant} as {role}.

Accept within three days, with this link, which works once:
{link}
"""


class InvitationForm(forms.Form):
    """Whom, into which tenant, as what."""

    tenant = forms.ChoiceField()
    invited = forms.CharField(max_length=254, label="E-mail or name", widget=forms.TextInput(attrs={"autofocus": True}))
    role = forms.ChoiceField(choices=MembershipRole.choices, initial=MembershipRole.AUDITOR)


@admin.register(Invitation)
class InvitationAdmin(HouseAdmin):
    """Links that make somebody a member, once."""

    when_empty = "Nobody is invited. Invite a colleague; the link is shown once."
    list_display = ("invited", "tenant", "role", "standing", "created_at")
    list_filter = (TenantFilter, "role")
    list_select_related = ("tenant",)
    search_fields = ("id", "invited")
    fields = (
        "id",
        "invited",
        "tenant",
        "role",
        "invited_by",
        "created_at",
        "expires_at",
        "accepted_at",
        "accepted_by",
        "withdrawn_at",
    )
    readonly_fields = fields
    service_add_form = InvitationForm
    add_scope = ALL
    add_title = "Invite somebody"

    @admin.display(description="state", ordering="expires_at")
    def standing(self, row: Invitation) -> str:
        """Return whether the link still works, or what became of it."""
        if row.accepted_at is not None:
            return f"accepted {row.accepted_at:%Y-%m-%d %H:%M}"
        if row.withdrawn_at is not None:
            return f"withdrawn {row.withdrawn_at:%Y-%m-%d %H:%M}"
        word = "open until" if row.expires_at > datetime.now(UTC) else "ended"
        return f"{word} {row.expires_at:%Y-%m-%d %H:%M}"

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Offer the tenants whose members the operator may name."""
        tenants = {row.tenant_id: str(row.tenant) for row in self.environments(request, ALL)}
        offer(form, "tenant", list(tenants.items()))
        place = chosen_place(request)
        form.initial.setdefault("tenant", place.tenant_id if place else next(iter(tenants), ""))

    def add_place(self, request: HttpRequest, form: forms.Form) -> None:
        """Name no environment: a membership holds in all of them."""

    def add_caller(self, request: HttpRequest, form: forms.Form) -> Caller:
        """Return the operator in the tenant the form names."""
        places = [row for row in self.environments(request, ALL) if row.tenant_id == form.cleaned_data["tenant"]]
        if not places:
            raise NotFound
        return caller_in(request, places[0])

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for a role that may do everything in the tenant."""
        return form.cleaned_data["role"] in POWERFUL

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> ShownOnce:
        """Make the invitation and show its link once."""
        tenant = Tenant.objects.get(pk=caller.tenant_id)
        role = MembershipRole(fields["role"])
        return shown(invite(caller, tenant=tenant, invited=fields["invited"], role=role, now=now))

    def environment_of(self, row: Invitation) -> Environment:
        """Return one environment of the tenant, to act in."""
        return Environment.objects.for_tenant(row.tenant_id).select_related("tenant").order_by("name")[0]

    def place_of(self, row: Any) -> None:
        """Name no environment."""

    @staticmethod
    def _withdraw(caller: Caller, row: Invitation, _fields: Fields, now: datetime) -> str:
        return f"Withdrawn: {withdraw_invitation(caller, invitation=row, now=now)}."

    service_actions = (
        ServiceAction(
            "withdraw",
            "Withdraw",
            ALL,
            NothingForm,
            _withdraw,
            is_dangerous=True,
            applies=lambda row: row.accepted_at is None and row.withdrawn_at is None,
        ),
    )


def shown(sent: SentInvitation) -> ShownOnce:
    """Mail the link where that is possible, and return the page that shows it once."""
    row, link = sent.invitation, sent.link.reveal()
    mailed = can_send() and "@" in row.invited
    if mailed:
        text = TEXT.format(tenant=row.tenant.name, role=row.role, link=link)
        send(to=row.invited, subject=SUBJECT.format(tenant=row.tenant.name), text=text)
    explanation = (
        f"The link was mailed to {row.invited}. It is shown this once, too."
        if mailed
        else f"Send this link to {row.invited}. It works once, for {LIFE.days} days, and is not shown again."
    )
    facts = {
        "For": row.invited,
        "Tenant": str(row.tenant),
        "Role": row.role,
        "Until": f"{row.expires_at:%Y-%m-%d %H:%M} UTC",
    }
    return ShownOnce("Invitation", explanation, link, facts)
