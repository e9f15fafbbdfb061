"""Installs the largest of the foreign clients beforehand: ``python -m tests.compat.install``.

Their tests install what is missing, too; so what cannot be had here is said by them.
"""

from __future__ import annotations

import contextlib

import pytest

from tests.compat.agentos import OLDER, interpreter_of
from tests.compat.openclaw_cli import openclaw_command
from tests.compat.proxies import envoy_binary


def main() -> None:
    """Install the older AgentOS, openclaw and Envoy, each unless it is there."""
    for install in (lambda: interpreter_of(OLDER), openclaw_command, envoy_binary):
        with contextlib.suppress(pytest.fail.Exception, pytest.skip.Exception):
            install()


if __name__ == "__main__":
    main()
