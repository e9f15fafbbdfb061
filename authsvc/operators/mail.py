"""Mail to operators, where a mail server is configured; sent beside the request, so no answer tells by its time."""

from __future__ import annotations

import logging
import smtplib
import threading

from django.conf import settings
from django.core.mail import EmailMessage

log = logging.getLogger(__name__)
THREAD_NAME = "authsvc-mail"


def can_send() -> bool:
    """True when a mail server is configured."""
    return bool(settings.AUTHSVC_EMAIL_URL)


def send(*, to: str, subject: str, text: str) -> None:
    """Send one message in a thread of its own; a failure is logged without its text."""
    message = EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, [to])
    threading.Thread(target=_deliver, args=[message], name=THREAD_NAME, daemon=True).start()


def _deliver(message: EmailMessage) -> None:
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        log.error("mail_failed", extra={"error": type(error).__name__})
