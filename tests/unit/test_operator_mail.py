"""Mail that cannot be delivered is noted without its text, and disturbs no request."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from authsvc.operators.mail import THREAD_NAME, can_send, send
from tests.live import free_port

pytestmark = pytest.mark.pure


def test_server_that_is_away_is_logged_without_the_link(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.DEFAULT_FROM_EMAIL = "127.0.0.1", free_port(), "a@a.example"
    send(to="kim@example.com", subject="x", text="https://auth.example/admin/join/the-secret/")
    for thread in [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]:
        thread.join(10)
    assert "mail_failed" in caplog.text
    assert "the-secret" not in caplog.text
    assert "kim@" not in caplog.text


def test_without_a_server_nothing_is_offered(settings: Any) -> None:
    settings.AUTHSVC_EMAIL_URL = ""
    assert not can_send()
