"""``grants list|create|revoke``: who holds what in one environment.

What makes an administrator is granted only when it is named once more, with ``--confirm``.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management import CommandError

from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.web.caller import Caller
from rbac.models import Grant
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant, get_grant, get_principal, revoke_grant
from rbac.services.roles import get_role

MAXIMUM_DAYS = 3650


class Command(HouseCommand):
    """List, create and revoke grants."""

    help = "List the grants of an environment, give a role or scopes to a principal, take a grant back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        shown = verbs.add_parser("list", help="the grants of one environment, newest first")
        shown.add_argument("--principal", default="", help="of one principal alone")
        given = verbs.add_parser("create", help="give a role, or scopes, to a principal")
        given.add_argument("--principal", required=True, help="svc_…, dev_… or gwy_…")
        given.add_argument("--role", default="", help="rol_…")
        given.add_argument("--scope", action="append", default=[], help="a scope without a role; once per scope")
        given.add_argument("--gateway", default="", help="gwy_…: at this gateway alone")
        given.add_argument("--days", type=int, default=None, help="ends after so many days; else until it is revoked")
        given.add_argument("--reason", default="", help="why; kept in the audit")
        given.add_argument("--confirm", action="append", default=[], metavar="SCOPE", help="an administrator's scope")
        taken = verbs.add_parser("revoke", help="end a grant at once")
        taken.add_argument("--id", required=True, help="grt_…")
        taken.add_argument("--reason", default="", help="why; kept in the audit")
        for verb in (shown, given, taken):
            add_place(verb)
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        act = {"list": _list, "create": _create, "revoke": _revoke}[options["verb"]]
        documents = [_document(grant) for grant in act(self.place(options), options, now)]
        if options["json"]:
            self.print_json(documents)
        else:
            self.print_lines([_line(document) for document in documents])
        return Exit.OK


def _list(caller: Caller, options: dict[str, Any], _now: datetime) -> list[Grant]:
    rows = Grant.objects.for_environment(caller).select_related("principal", "role")
    return list(rows.filter(principal_id=options["principal"]) if options["principal"] else rows)


def _create(caller: Caller, options: dict[str, Any], now: datetime) -> list[Grant]:
    days = options["days"]
    if not options["role"] and not options["scope"]:
        raise CommandError("create needs --role or --scope.", returncode=Exit.USAGE)
    if days is not None and not 1 <= days <= MAXIMUM_DAYS:
        raise CommandError(f"--days is 1 to {MAXIMUM_DAYS}.", returncode=Exit.USAGE)
    grant = create_grant(
        caller,
        principal=get_principal(caller, options["principal"]),
        role=get_role(caller, options["role"]) if options["role"] else None,
        scopes=options["scope"],
        gateway=get_gateway(caller, options["gateway"]) if options["gateway"] else None,
        expires_at=None if days is None else now + timedelta(days=days),
        reason=options["reason"],
        confirmed=options["confirm"],
        now=now,
    )
    return [grant]


def _revoke(caller: Caller, options: dict[str, Any], now: datetime) -> list[Grant]:
    grant = get_grant(caller, options["id"])
    revoke_grant(caller, grant=grant, reason=options["reason"], now=now)
    return [get_grant(caller, grant.id)]


def _document(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "principal": grant.principal_id,
        "name": grant.principal.name,
        "role": grant.role.name if grant.role else None,
        "scopes": sorted({*(grant.role.scopes if grant.role else ()), *grant.scopes}),
        "gateway": grant.gateway_id,
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "revoked_at": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }


def _line(document: dict[str, Any]) -> str:
    what = document["role"] or " ".join(document["scopes"])
    end = f"revoked {document['revoked_at']}" if document["revoked_at"] else f"until {document['expires_at'] or '-'}"
    return f"{document['id']} {document['principal']} {document['name']}: {what}, {end}"
