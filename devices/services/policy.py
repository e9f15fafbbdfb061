"""The device rules of one environment: read for every decision, changed by its administrator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from devices.models import Device, DevicePolicy
from devices.policy import DEFAULT_POLICY, Policy, read_ceilings, read_thresholds
from devices.trust import TrustLevel


def policy_of(device: Device) -> Policy:
    """Return the rules that hold for a device; one query, or none when its environment came with its policy."""
    try:
        return as_policy(device.environment.device_policy)
    except ObjectDoesNotExist:
        return DEFAULT_POLICY


def policy_for(caller: Caller) -> Policy:
    """Return the rules of the caller's environment."""
    stored = find_policy(caller)
    return DEFAULT_POLICY if stored is None else as_policy(stored)


def as_policy(stored: DevicePolicy) -> Policy:
    """Return a stored row as the value the rules work on."""
    return Policy(
        thresholds=read_thresholds(stored.thresholds),
        ceilings=read_ceilings(stored.ceilings),
        chosen_secret_limit=TrustLevel(stored.chosen_secret_level),
        store_ip=stored.store_ip,
        store_user_agent=stored.store_user_agent,
        store_transcripts=stored.store_transcripts,
        store_audio=stored.store_audio,
    )


def find_policy(caller: Caller) -> DevicePolicy | None:
    """Return the stored row of the caller's environment, if there is one."""
    return DevicePolicy.objects.for_environment(caller).first()


def privacy_of(tenant_id: str, environment_id: str) -> dict[str, bool]:
    """Return what gateways of an environment are told about keeping what people say."""
    stored = DevicePolicy.objects.for_tenant(tenant_id).filter(environment_id=environment_id).first()
    policy = DEFAULT_POLICY if stored is None else as_policy(stored)
    return {"store_transcripts": policy.store_transcripts, "store_audio": policy.store_audio}


def set_policy(caller: Caller, *, changes: Mapping[str, object], now: datetime) -> DevicePolicy:
    """Change the named rules; raises ``ValidationFailed``. What is not named stays."""
    with transaction.atomic():
        row = find_policy(caller) or DevicePolicy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
        for name, value in changes.items():
            setattr(row, name, value)
        as_policy(row)
        row.save()
        record(
            caller,
            "device_policy.updated",
            subject_id=caller.environment_id,
            detail={"changed": sorted(changes)},
            now=now,
        )
    return row


def discreet(caller: Caller, policy: Policy) -> Caller:
    """Return the caller without its address where the environment keeps none; before anything is written."""
    return caller if policy.store_ip else replace(caller, address="")
