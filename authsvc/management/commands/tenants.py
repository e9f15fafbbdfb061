"""``tenants list|add|add-environment|suspend|resume|destroy``: the customers of this installation, from the machine."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import CommandError

from authsvc.gate.closing import destroy_tenant
from authsvc.gate.onboarding import open_environment, open_tenant
from authsvc.management.house_command import Exit, HouseCommand, add_json, add_verbs
from authsvc.tenants.models import Environment, Tenant, TenantState
from authsvc.tenants.services import set_tenant_state

STATES = {"suspend": TenantState.SUSPENDED, "resume": TenantState.ACTIVE}


class Command(HouseCommand):
    """List, add, suspend, resume and destroy tenants."""

    help = "List tenants, add one or an environment of one, suspend or resume one, or destroy a suspended one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and options."""
        verbs = add_verbs(parser)
        shown = verbs.add_parser("list", help="every tenant, its state and its environments")
        shown.add_argument("--tenant", default="", help="one tenant's slug")
        add_json(shown)
        added = verbs.add_parser("add", help="open a tenant with dev and prod, their keys and the preset roles")
        added.add_argument("--name", default="", help="for people; the slug when absent")
        environment = verbs.add_parser("add-environment", help="open a named further environment")
        environment.add_argument("--env", required=True, help="its name, e.g. staging")
        for verb in STATES:
            state = verbs.add_parser(verb, help=f"{verb} a tenant: nothing of a suspended one is answered")
            state.add_argument("--reason", required=True, help="why; kept in the audit")
        ended = verbs.add_parser("destroy", help="erase the keys of a suspended tenant, for good and in every backup")
        ended.add_argument("--reason", required=True, help="why; kept in the audit")
        ended.add_argument("--confirm", required=True, help="the slug once more")
        for verb in (added, environment, ended, *(verbs.choices[name] for name in STATES)):
            verb.add_argument("--tenant", required=True, help="the tenant's slug")
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the command."""
        act = {
            "list": self._list,
            "add": self._add,
            "add-environment": self._add_environment,
            "destroy": self._destroy,
        }
        found = act.get(options["verb"], self._set_state)(options, now)
        documents = [_document(tenant) for tenant in found]
        if options["json"]:
            self.print_json(documents)
        else:
            self.print_lines([f"{row['tenant']} {row['state']}: {' '.join(row['environments'])}" for row in documents])
        return Exit.OK

    def _list(self, options: dict[str, Any], _now: datetime) -> list[Tenant]:
        return self.tenants(options["tenant"] or None)

    def _add(self, options: dict[str, Any], now: datetime) -> list[Tenant]:
        return [open_tenant(self.caller, slug=options["tenant"], name=options["name"], now=now)]

    def _add_environment(self, options: dict[str, Any], now: datetime) -> list[Tenant]:
        [tenant] = self.tenants(options["tenant"])
        open_environment(self.caller, tenant=tenant, name=options["env"], now=now)
        return [tenant]

    def _destroy(self, options: dict[str, Any], now: datetime) -> list[Tenant]:
        [tenant] = self.tenants(options["tenant"])
        confirmed, reason = options["confirm"], options["reason"]
        destroy_tenant(self.caller, tenant=tenant, confirmed_slug=confirmed, reason=reason, now=now)
        return self.tenants(options["tenant"])

    def _set_state(self, options: dict[str, Any], now: datetime) -> list[Tenant]:
        if not options["reason"].strip():
            raise CommandError("Say why: --reason.", returncode=Exit.USAGE)
        [tenant] = self.tenants(options["tenant"])
        state = STATES[options["verb"]]
        return [set_tenant_state(self.caller, tenant=tenant, state=state, reason=options["reason"], now=now)]


def _document(tenant: Tenant) -> dict[str, Any]:
    environments = Environment.objects.for_tenant(tenant.id).order_by("name").values_list("name", flat=True)
    return {"tenant": tenant.slug, "name": tenant.name, "state": str(tenant.state), "environments": list(environments)}
