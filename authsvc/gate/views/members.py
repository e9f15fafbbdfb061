"""Who works in the tenant, over the API: members, their roles and sessions, and invitations.

A membership holds in every environment, so only a token of ``prod`` may speak about it: nothing of ``dev`` reaches
further than dev. A token is no person, so it never names or removes owners; people do that in the admin.
"""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.member_serializers import (
    InvitationInput,
    InvitationOutput,
    MemberChange,
    MemberOutput,
    SentInvitationOutput,
    SignedOutOutput,
)
from authsvc.operators.invitations import get_invitation, invite, withdraw_invitation
from authsvc.operators.models import Invitation
from authsvc.operators.sessions import end_sessions
from authsvc.tenants.models import Membership, MembershipRole, Tenant
from authsvc.tenants.operators import change_membership, get_membership, remove_membership
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.problems import Forbidden, NotFound, Problem

ADMIN = "authsvc:admin"


class TenantWide(ApiView):
    """A view about the whole tenant, for tokens of ``prod`` alone; elsewhere its rows are not there."""

    refusal: ClassVar[type[Problem]] = NotFound

    @property
    def caller(self) -> Caller:
        """Return who is asking; raises the view's refusal for another environment's token, whatever is asked."""
        caller = super().caller
        if caller.environment != "prod":
            raise self.refusal
        return caller


class OnlyWithProd(Forbidden):
    """A token of another environment asked for the whole tenant's people."""

    default_detail = "Members belong to the whole tenant; ask with a token of prod."


class MemberList(TenantWide):
    """The members of the caller's tenant."""

    required_scopes = {"GET": ADMIN}
    refusal = OnlyWithProd
    lists = True

    @extend_schema(responses=MemberOutput(many=True))
    def get(self, request: Request) -> Response:
        """List members, newest first."""
        rows = Membership.objects.for_tenant(self.caller.tenant_id).select_related("operator")
        return self.page(rows, MemberOutput)


class MemberDetail(TenantWide):
    """One member, by the operator's id."""

    required_scopes = {"GET": ADMIN, "PATCH": ADMIN, "DELETE": ADMIN}

    @extend_schema(responses=MemberOutput)
    def get(self, request: Request, operator_id: str) -> Response:
        """Show a member."""
        return Response(MemberOutput(get_membership(self.caller.tenant_id, operator_id)).data)

    @extend_schema(request=MemberChange, responses=MemberOutput)
    def patch(self, request: Request, operator_id: str) -> Response:
        """Give a member another role; never that of an owner."""
        found = get_membership(self.caller.tenant_id, operator_id)
        role = MembershipRole(self.fields(MemberChange)["role"])
        return Response(MemberOutput(change_membership(self.caller, membership=found, role=role, now=self.now)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, operator_id: str) -> Response:
        """Take a member out of the tenant; refused for owners."""
        found = get_membership(self.caller.tenant_id, operator_id)
        remove_membership(self.caller, membership=found, now=self.now)
        return Response(status=204)


class MemberSignOut(TenantWide):
    """The sessions of one member."""

    required_scopes = {"POST": ADMIN}

    @extend_schema(request=None, responses=SignedOutOutput)
    def post(self, request: Request, operator_id: str) -> Response:
        """End every session of a member; platform operators are not a tenant's to sign out."""
        operator = get_membership(self.caller.tenant_id, operator_id).operator
        if operator.is_superuser:
            raise NotFound
        ended = end_sessions(self.caller, operator=operator, now=self.now)
        return Response(SignedOutOutput({"ended": ended}).data)


class InvitationList(TenantWide):
    """The invitations into the caller's tenant."""

    required_scopes = {"GET": ADMIN, "POST": ADMIN}
    refusal = OnlyWithProd
    lists = True
    sensitive = True

    @extend_schema(responses=InvitationOutput(many=True))
    def get(self, request: Request) -> Response:
        """List invitations, newest first; never their links."""
        return self.page(Invitation.objects.for_tenant(self.caller.tenant_id), InvitationOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=InvitationInput, responses={201: SentInvitationOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Invite somebody; ``link`` is shown this once and works once."""
        fields = self.fields(InvitationInput)
        tenant, role = Tenant.objects.get(pk=self.caller.tenant_id), MembershipRole(fields["role"])
        sent = invite(self.caller, tenant=tenant, invited=fields["invited"], role=role, now=self.now)
        document = {**InvitationOutput(sent.invitation).data, "link": sent.link.reveal()}
        return Response(document, status=201, headers={"Cache-Control": "no-store"})


class InvitationDetail(TenantWide):
    """One invitation."""

    required_scopes = {"GET": ADMIN, "DELETE": ADMIN}

    @extend_schema(responses=InvitationOutput)
    def get(self, request: Request, invitation_id: str) -> Response:
        """Show an invitation without its link."""
        return Response(InvitationOutput(get_invitation(self.caller.tenant_id, invitation_id)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, invitation_id: str) -> Response:
        """Withdraw an invitation nobody has used."""
        found = get_invitation(self.caller.tenant_id, invitation_id)
        withdraw_invitation(self.caller, invitation=found, now=self.now)
        return Response(status=204)
