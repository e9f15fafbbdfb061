"""Reports of gateways, cooldowns and the environment's settings over the API."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from profiles.failures import FailureReason
from profiles.serializers import ProfileOutput
from profiles.services.ledger import LEDGER_DAYS, usage_ledger
from profiles.services.probe import probe_document, probe_profile
from profiles.services.settings import profile_settings, update_profile_settings
from profiles.services.store import get_profile
from profiles.services.usage import Outcome, Report, ReportResult, clear_cooldown, milliseconds, report_usage
from profiles.usage_serializers import (
    LedgerOutput,
    ProbeOutput,
    ReportInput,
    ReportOutput,
    SettingsInput,
    SettingsOutput,
)


class CredentialReport(ApiView):
    """How the use of a leased credential ended."""

    required_scopes = {"POST": "credentials:report"}

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ReportInput, responses=ReportOutput)
    @idempotent
    def post(self, request: Request) -> Response:
        """Report success or failure; every gateway of the tenant sees the new state at its next resolution."""
        fields = self.fields(ReportInput)
        report = Report(
            outcome=Outcome(fields["outcome"]),
            reason=FailureReason(fields["reason"]) if fields["reason"] else None,
            message=fields["message"],
            http_status=fields["http_status"],
            model=fields["model"],
            retry_after_ms=None if fields["retry_after"] is None else int(fields["retry_after"] * 1000),
            reset_at_ms=milliseconds(fields["reset_at"]) if fields["reset_at"] else None,
        )
        result = report_usage(
            self.caller, report, lease_id=fields["lease_id"], profile_id=fields["profile_id"], now=self.now
        )
        return Response(_document(result))


class ProfileUsage(ApiView):
    """Who used a profile."""

    required_scopes = {"GET": "profiles:read"}

    @extend_schema(responses=LedgerOutput)
    def get(self, request: Request, profile_id: str) -> Response:
        """Show who was handed its credential, how often, and how that ended, by gateway, device and account."""
        profile = get_profile(self.caller, profile_id)
        totals = {name: getattr(profile, name) for name in ("lease_count", "success_count", "failure_count")}
        used = [asdict(each) for each in usage_ledger(self.caller, profile=profile, now=self.now)]
        document = {"profile_id": profile.id, "days": LEDGER_DAYS, **totals, "used_by": used}
        return Response(LedgerOutput(document).data)


class CooldownClearing(ApiView):
    """End every window of a profile."""

    required_scopes = {"POST": "profiles:write"}

    @extend_schema(request=None, responses=ProfileOutput)
    def post(self, request: Request, profile_id: str) -> Response:
        """Clear cooldowns, disables and failure counters, for example after a top-up."""
        profile = clear_cooldown(self.caller, profile_id=profile_id, now=self.now)
        return Response(ProfileOutput(profile, context={"now": self.now}).data)


class CredentialProbe(ApiView):
    """Try a profile's credential at its provider."""

    required_scopes = {"POST": "profiles:write"}
    sensitive = True

    @extend_schema(request=None, responses=ProbeOutput)
    def post(self, request: Request, profile_id: str) -> Response:
        """Probe now: only at the address an administrator configured; what it finds moves the usage."""
        return Response(probe_document(probe_profile(self.caller, profile_id=profile_id, now=self.now)))


class SettingsDetail(ApiView):
    """How the environment wants its credentials chosen, rested and watched."""

    required_scopes = {"GET": "profiles:read", "PATCH": "profiles:write"}

    @extend_schema(responses=SettingsOutput)
    def get(self, request: Request) -> Response:
        """Show the settings that apply."""
        return Response(SettingsOutput(profile_settings(self.caller)).data)

    @extend_schema(request=SettingsInput, responses=SettingsOutput)
    def patch(self, request: Request) -> Response:
        """Change settings of the environment."""
        changes = self.fields(SettingsInput)
        return Response(SettingsOutput(update_profile_settings(self.caller, changes=changes, now=self.now)).data)


def _document(result: ReportResult) -> dict[str, object]:
    return {
        "profile_id": result.profile.id,
        "profile": result.profile.key,
        "outcome": str(result.outcome),
        "reason": str(result.reason) if result.reason else None,
        "hint": result.hint or result.verdict.hint,
        "status": str(result.verdict.state),
        "cause": result.verdict.cause,
        "until_ms": result.verdict.until_ms,
        "success_count": result.profile.success_count,
        "failure_count": result.profile.failure_count,
    }
