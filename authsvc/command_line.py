"""``authsvc …`` and ``manage.py …``: Django's command line with our settings; files it writes are private."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run a management command."""
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")
    gc.disable()  # until all is loaded (apps.py)
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs the settings name first

    execute_from_command_line(sys.argv)
