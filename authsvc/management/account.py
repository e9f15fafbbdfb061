"""Who typed a command: the operating-system account, as the audit shows it."""

from __future__ import annotations

import getpass


def command_account() -> str:
    """Return the account's name, or ``unknown`` where the system does not tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
