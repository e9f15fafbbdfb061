"""``migrate``, which in production first asks whether the service may start; ``--skip-checks`` changes nothing.

Django's own checks open the database before ours could say that none is configured.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoMigrate

from authsvc.ops.checks import require_safe_start


class Command(DjangoMigrate):
    """Apply migrations of a service that may start."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Refuse with the numbered errors, else migrate."""
        try:
            require_safe_start()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        return super().execute(*args, **options)
