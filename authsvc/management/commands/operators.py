"""``operators list|invite|role|remove|password|sign-out|remove-factor``: people of the admin, from the machine.

The way back in when nobody can enter: a new password, or a lost second factor removed. Each is audited.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_verbs
from authsvc.operators.factors import remove_factors
from authsvc.operators.invitations import invite
from authsvc.operators.sessions import end_sessions
from authsvc.tenants.models import Membership, MembershipRole, Operator, Tenant
from authsvc.tenants.operators import change_membership, remove_membership, set_operator_password
from authsvc.tenants.second_factor import has_factor
from authsvc.web.problems import NotFound

ROLES = [str(role) for role in MembershipRole.values]


def _members(tenant: Tenant) -> QuerySet[Membership]:
    return Membership.objects.for_tenant(tenant.id).select_related("operator").order_by("operator__username")


class Command(HouseCommand):
    """Look after operators."""

    help = "List, invite and remove operators; set passwords, end sessions, remove a lost second factor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        listing = verbs.add_parser("list", help="who works where, as what")
        listing.add_argument("--tenant", default="")
        inviting = verbs.add_parser("invite", help="print a link that makes somebody a member, once")
        inviting.add_argument("--invited", required=True, help="an e-mail address or a name")
        changing = verbs.add_parser("role", help="give a member another role")
        removing = verbs.add_parser("remove", help="take a member out of a tenant")
        for verb in (inviting, changing):
            verb.add_argument("--role", required=True, choices=ROLES)
        for verb in (inviting, changing, removing):
            verb.add_argument("--tenant", required=True)
        password = verbs.add_parser("password", help="set a password, from a prompt or standard input")
        signing_out = verbs.add_parser("sign-out", help="end every session")
        factor = verbs.add_parser("remove-factor", help="remove every second factor, when all are lost")
        for verb in (changing, removing, password, signing_out, factor):
            verb.add_argument("--operator", required=True, help="the name")
        for verb in (listing, inviting, changing, removing, password, signing_out, factor):
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb and print what came of it."""
        verbs = {
            "list": self._list,
            "invite": self._invite,
            "role": self._role,
            "remove": self._remove,
            "password": self._password,
            "sign-out": self._sign_out,
            "remove-factor": self._remove_factor,
        }
        document, lines = verbs[options["verb"]](options, now)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(lines)
        return Exit.OK

    def _list(self, options: dict[str, Any], _now: datetime) -> tuple[object, list[str]]:
        found = [
            {
                "operator": row.operator.username,
                "tenant": tenant.slug,
                "role": row.role,
                "is_active": row.operator.is_active,
                "has_second_factor": has_factor(row.operator),
            }
            for tenant in self.tenants(options["tenant"])
            for row in Membership.objects.for_tenant(tenant.id)
            .select_related("operator")
            .order_by("operator__username")
        ]
        platform = Operator.objects.filter(is_superuser=True).order_by("username")
        above = [] if options["tenant"] else [row.username for row in platform]
        lines = [f"{row['tenant']}: {row['operator']} is {row['role']}" for row in found]
        return {"members": found, "platform": above}, [*lines, *(f"platform: {name}" for name in above)]

    def _invite(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        (tenant,) = self.tenants(options["tenant"])
        role = MembershipRole(options["role"])
        sent = invite(self.caller, tenant=tenant, invited=options["invited"], role=role, now=now)
        row, link = sent.invitation, sent.link.reveal()
        document = {"id": row.id, "invited": row.invited, "role": row.role, "expires_at": row.expires_at, "link": link}
        until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
        return document, [f"Send this link to {row.invited}; it works once, until {until}:", link]

    def _role(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        member = self._member(options)
        change_membership(self.caller, membership=member, role=MembershipRole(options["role"]), now=now)
        return {"operator": member.operator.username, "role": member.role}, [f"{member}."]

    def _remove(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        member = self._member(options)
        text = str(member)
        remove_membership(self.caller, membership=member, now=now)
        return {"operator": member.operator.username, "removed": True}, [f"Removed: {text}."]

    def _password(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        operator = self._operator(options)
        password = self.read_secret("New password").reveal()
        set_operator_password(self.caller, operator=operator, password=password, now=now)
        return {"operator": operator.username}, [f"{operator} has a new password; its sessions have ended."]

    def _sign_out(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        operator = self._operator(options)
        ended = end_sessions(self.caller, operator=operator, now=now)
        return {"operator": operator.username, "ended": ended}, [f"{ended} sessions of {operator} have ended."]

    def _remove_factor(self, options: dict[str, Any], now: datetime) -> tuple[object, list[str]]:
        operator = self._operator(options)
        remove_factors(self.caller, operator=operator, now=now)
        return {"operator": operator.username}, [f"{operator} has no second factor any more."]

    def _operator(self, options: dict[str, Any]) -> Operator:
        found = Operator.objects.filter(username=options["operator"]).first()
        if found is None:
            raise NotFound(f"There is no operator {options['operator']}.")
        return found

    def _member(self, options: dict[str, Any]) -> Membership:
        (tenant,) = self.tenants(options["tenant"])
        operator = self._operator(options)
        found = Membership.objects.for_tenant(tenant.id).filter(operator=operator).select_related("operator", "tenant")
        member = found.first()
        if member is None:
            raise NotFound(f"{operator} is no member of {tenant}.")
        return member
