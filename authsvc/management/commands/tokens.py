"""``tokens issue|revoke|policy|diagnose``: hand out an access token, end some, set lifetimes, say why one fails."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management import CommandError
from django.db import transaction

from authsvc.gate.diagnose import diagnose_token
from authsvc.gate.issue import Asked
from authsvc.gate.on_behalf import issue_on_behalf
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place
from authsvc.tokens.policy import LIMITS, set_token_policy, token_policy
from authsvc.tokens.services import revoke_all_tokens, revoke_token
from authsvc.web.caller import Caller
from rbac.services.service_accounts import get_service_account

GRANT_TYPE = "issued_by_command"


class Command(HouseCommand):
    """Issue and revoke access tokens; show and change the environment's token policy."""

    help = "Issue an access token (printed once), revoke tokens (workers follow within a second), set the policy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and options."""
        parser.add_argument("action", choices=["issue", "revoke", "policy", "diagnose"])
        add_place(parser)
        parser.add_argument("--principal", default="", help="the service account; revoke: whose tokens")
        parser.add_argument("--scope", action="append", default=[], help="issue: once per scope")
        parser.add_argument("--audience", default="", help="issue: a gateway's audience; without it our own API")
        parser.add_argument("--ttl", type=int, default=None, help="issue: seconds")
        parser.add_argument("--with-refresh-token", action="store_true", help="issue: also a refresh token")
        parser.add_argument("--jti", default="", help="revoke: one token")
        parser.add_argument("--all", action="store_true", help="revoke: every token of the environment")
        parser.add_argument("--reason", default="", help="revoke: why; kept in the audit")
        parser.add_argument("--set", action="append", default=[], metavar="NAME=N", help="policy: N empty for none")
        add_json(parser)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        act = {"issue": _issue, "revoke": _revoke, "policy": _policy, "diagnose": self._diagnose}[options["action"]]
        document = act(self.place(options), options, now)
        if options["json"]:
            self.print_json(document)
        else:
            self.print_lines(_lines(document))
        return Exit.OK

    def _diagnose(self, caller: Caller, options: dict[str, Any], now: datetime) -> dict[str, Any]:
        raw = self.read_secret("Token")
        checks = diagnose_token(caller, raw.reveal(), audience=options["audience"], now=now)
        return {"accepted": all(check.passed for check in checks), "checks": [asdict(check) for check in checks]}


def _lines(document: dict[str, Any]) -> list[str]:
    if "access_token" in document:
        return [document["access_token"]]
    if "checks" in document:
        return [f"{'ok  ' if one['passed'] else 'FAIL'} {one['name']}: {one['detail']}" for one in document["checks"]]
    if "revoked" in document:
        return [f"{document['revoked']} revoked."]
    return [f"{name}={'' if value is None else value}" for name, value in document.items()]


def _issue(caller: Caller, options: dict[str, Any], now: datetime) -> dict[str, Any]:
    if not options["principal"] or (options["ttl"] is not None and options["ttl"] < 1):
        raise CommandError("issue needs --principal, and --ttl of at least 1.", returncode=Exit.USAGE)
    account = get_service_account(caller, options["principal"])
    asked = Asked(tuple(options["scope"]), options["audience"], GRANT_TYPE, options["ttl"])
    with transaction.atomic():
        minted = issue_on_behalf(caller, account=account, asked=asked, now=now)
        document: dict[str, Any] = {
            "access_token": minted.text.reveal(),
            "jti": minted.claims.jti,
            "scope": " ".join(minted.claims.scopes),
            "audience": minted.claims.audience,
            "expires_at": minted.claims.expires_at.isoformat(),
        }
        if options["with_refresh_token"]:
            document["refresh_token"] = issue_refresh(caller, minted=minted, grant_type=GRANT_TYPE, now=now).reveal()
    return document


def _revoke(caller: Caller, options: dict[str, Any], now: datetime) -> dict[str, Any]:
    chosen = [bool(options[name]) for name in ("jti", "principal", "all")]
    if sum(chosen) != 1 or not options["reason"].strip():
        raise CommandError("revoke needs --reason and one of --jti, --principal, --all.", returncode=Exit.USAGE)
    if options["jti"]:
        return {"revoked": int(revoke_token(caller, jti=options["jti"], reason=options["reason"], now=now))}
    count = revoke_all_tokens(caller, principal_id=options["principal"], reason=options["reason"], now=now)
    return {"revoked": count}


def _policy(caller: Caller, options: dict[str, Any], now: datetime) -> dict[str, Any]:
    changes = dict(_change(text) for text in options["set"])
    if changes:
        policy = set_token_policy(caller, changes=changes, now=now)
    else:
        policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
    return {name: getattr(policy, name) for name in LIMITS}


def _change(text: str) -> tuple[str, int | None]:
    name, equals, value = text.partition("=")
    if not equals or (value and not value.isascii()) or (value and not value.isdigit()):
        raise CommandError("--set takes NAME=NUMBER, or NAME= for none.", returncode=Exit.USAGE)
    return name, int(value) if value else None
