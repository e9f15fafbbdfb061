"""The work that happens by itself, one line each: what the ``worker`` command does, and how often.

A step takes the time and returns how much it did. It may run in several processes at once and after a crash in the
middle, so each is safe to repeat. One that fails is logged and tried again at its next turn; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from authsvc.audit.checkpoints import known_tenant_ids, sign_checkpoint
from authsvc.ops.retention import purge
from authsvc.tokens.keys import retire_due_keys
from devices.services.review import review_devices
from profiles.refresh import refresh_due
from rbac.services.key_schedule import rotate_due_keys

log = structlog.get_logger("authsvc.worker")
MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of work: its name, how many seconds lie between two turns, and what it does."""

    name: str
    every_seconds: int
    run: Callable[[datetime], int]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one turn did; ``failure`` is the kind of error, never its text."""

    name: str
    done: int = 0
    failure: str = ""


def sign_checkpoints(now: datetime) -> int:
    """Sign the head of every audit chain that has grown; return how many."""
    return sum(sign_checkpoint(tenant_id, now=now) is not None for tenant_id in known_tenant_ids())


def purge_all(now: datetime) -> int:
    """Purge what is over; return how many rows."""
    return sum(purge(now=now).values())


def rotate_signing_keys(now: datetime) -> int:
    """Publish and activate signing keys where the environment's policy says so; return how many moved."""
    return rotate_due_keys(now=now)


def retire_signing_keys(now: datetime) -> int:
    """Retire signing keys whose last token is dead; return how many."""
    return len(retire_due_keys(now=now))


def refresh_logins(now: datetime) -> int:
    """Refresh provider logins that end soon; return how many got new tokens."""
    return refresh_due(now=now).refreshed


def review_trust(now: datetime) -> int:
    """Let time pass for devices; return how many changed."""
    return review_devices(now).changed


STEPS: tuple[Step, ...] = (
    Step("refresh_logins", MINUTE, refresh_logins),
    Step("review_devices", 5 * MINUTE, review_trust),
    Step("rotate_signing_keys", HOUR, rotate_signing_keys),
    Step("retire_signing_keys", HOUR, retire_signing_keys),
    Step("sign_checkpoints", HOUR, sign_checkpoints),
    Step("purge", HOUR, purge_all),
)


def run_step(step: Step, *, now: datetime) -> StepResult:
    """Run one step; a failure is an answer, so that one step never stops the others."""
    try:
        done = step.run(now)
    except Exception as error:
        log.exception("worker.step_failed", step=step.name)
        return StepResult(step.name, failure=type(error).__name__)
    log.info("worker.step_done", step=step.name, done=done)
    return StepResult(step.name, done)


class Turns:
    """Says which steps are due; the clock is monotonic, so a step of the wall clock makes nothing early or late."""

    def __init__(self, steps: Sequence[Step] = STEPS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = {step: clock() for step in steps}

    def due(self) -> list[Step]:
        """Return the steps whose turn it is and put each off by its interval."""
        moment = self._clock()
        found = [step for step, at in self._due.items() if at <= moment]
        for step in found:
            self._due[step] = moment + step.every_seconds
        return found

    def seconds_to_next(self) -> float:
        """Return how long nothing is due."""
        return max(0.0, min(self._due.values(), default=self._clock() + HOUR) - self._clock())
