"""Trying a credential at its provider now: off until an administrator says where, audited, and it moves the usage.

A provider that takes it ends every cooldown; one that refuses it counts as a failure with its reason. Anything else
tells nothing about the credential, so nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict
from profiles.interchange.usage import usage_from_json
from profiles.models import Credential, CredentialState, ProbeStyle, Profile
from profiles.provider_probe import ProbeAnswer, ProbeEndpoint, ask_provider
from profiles.providers import Kind
from profiles.refresh import fresh_credential
from profiles.services.providers import find_entry
from profiles.services.resolve import NoCredentials, open_audited
from profiles.services.store import get_profile
from profiles.services.usage import Outcome, Report, UsageVerdict, milliseconds, report_usage, usage_verdict

TELLING = frozenset({401, 402, 403, 429})  # what is about the credential and not about the address that was asked


class ProbeNotConfigured(Conflict):
    """No address is configured at which this provider's credentials may be tried."""

    slug, title = "probe_not_configured", "Probing is off"
    default_detail = "Credentials of this provider are not tried: no probe_url is configured for it."


class ProbeOutcome(StrEnum):
    """What a probe found out."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """What the provider said of a profile's current version, and where the profile stands now."""

    profile: Profile
    version: int
    outcome: ProbeOutcome
    reason: str
    http_status: int | None
    hint: str
    verdict: UsageVerdict


def probe_profile(caller: Caller, *, profile_id: str, now: datetime) -> Probe:
    """Ask the provider once; raises ``ProbeNotConfigured``, ``NoCredentials``, or what refreshing or opening raises."""
    profile = get_profile(caller, profile_id)
    endpoint = _endpoint(caller, profile)
    current = Credential.objects.for_environment(caller).filter(profile=profile, state=CredentialState.CURRENT).first()
    if current is None or current.has_reference:
        raise NoCredentials("This profile holds no secret that could be tried.")
    credential = fresh_credential(caller, profile=profile, credential=current, now=now)
    answer = ask_provider(endpoint, Kind(credential.kind), open_audited(caller, credential, now=now))
    return _kept(caller, profile, credential, answer, now)


def _endpoint(caller: Caller, profile: Profile) -> ProbeEndpoint:
    entry = find_entry(caller, slug=profile.provider)
    if entry is None or not entry.probe_url:
        raise ProbeNotConfigured
    return ProbeEndpoint(entry.probe_url, ProbeStyle(entry.probe_style), allows_local=not settings.PRODUCTION)


def _kept(caller: Caller, profile: Profile, credential: Credential, answer: ProbeAnswer, now: datetime) -> Probe:
    outcome = _outcome(answer)
    with transaction.atomic():
        reason, hint = answer.fault, ""
        if outcome is not ProbeOutcome.UNKNOWN:
            told = Outcome.SUCCESS if outcome is ProbeOutcome.ACCEPTED else Outcome.FAILURE
            report = Report(told, message=answer.message, http_status=answer.http_status)
            result = report_usage(caller, report, profile_id=profile.id, now=now)
            profile, reason, hint = result.profile, str(result.reason or ""), result.hint
        detail = {
            "profile_id": profile.id,
            "version": credential.version,
            "outcome": str(outcome),
            "reason": reason,
            "http_status": answer.http_status,
        }
        record(caller, "credential.probed", subject_id=credential.id, detail=detail, now=now)
    verdict = usage_verdict(usage_from_json(profile.usage), milliseconds(now))
    return Probe(profile, credential.version, outcome, reason, answer.http_status, hint, verdict)


def _outcome(answer: ProbeAnswer) -> ProbeOutcome:
    if answer.http_status is not None and 200 <= answer.http_status < 300:
        return ProbeOutcome.ACCEPTED
    return ProbeOutcome.REFUSED if answer.http_status in TELLING else ProbeOutcome.UNKNOWN


def probe_document(probe: Probe) -> dict[str, object]:
    """Return a probe as the API and the command show it."""
    return {
        "profile_id": probe.profile.id,
        "profile": probe.profile.key,
        "version": probe.version,
        "outcome": str(probe.outcome),
        "reason": probe.reason or None,
        "http_status": probe.http_status,
        "hint": probe.hint or probe.verdict.hint,
        "status": str(probe.verdict.state),
        "until_ms": probe.verdict.until_ms,
    }
