"""``/health`` (and ``/health/live``): the process answers.

``/health/ready``: database, migrations and keys are there.
"""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from authsvc.operators.factors import factor_key_ids
from authsvc.vault.keyring import KeyringInvalid, keyring
from authsvc.vault.models import DataKey, DataKeyState


def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when work can be done, else 503 naming the part that is missing and nothing else."""
    problems = readiness_problems()
    document = {"status": "ready" if not problems else "not_ready", "problems": problems}
    return JsonResponse(document, status=503 if problems else 200)


def readiness_problems() -> list[str]:
    """Return stable codes of what is missing: database, migrations, key_encryption_key."""
    try:
        if _has_unapplied_migrations():
            return ["migrations_pending"]
        needed = set(DataKey.unscoped.exclude(state=DataKeyState.DESTROYED).values_list("kek_id", flat=True).distinct())
        needed |= factor_key_ids()
    except DatabaseError:
        return ["database_unavailable"]
    try:
        missing = needed - set(keyring().keys)
    except KeyringInvalid:
        return ["key_encryption_key_invalid"]
    return [f"key_encryption_key_missing:{kek_id}" for kek_id in sorted(missing)]


def _has_unapplied_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
