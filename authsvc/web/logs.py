"""Logs: one line an event, JSON in production, and one place that removes secrets before a line is written."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from authsvc.web.request_id import add_request_id

HIDDEN = "[hidden]"
SECRET_KEYS = frozenset(
    {
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "credential",
        "value",
        "key",
        "access",
        "refresh",
        "body",
    }
)
SECRET_TEXT = re.compile(
    r"(a(?:sk|gw|rt|ds|cs)_[a-z0-9-]+_[A-Za-z0-9]+_[A-Za-z0-9]+|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|sk-[A-Za-z0-9_-]{8,})"
)


def configure(options: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog from ``settings.LOGGING`` (``level``, ``json``)."""
    shared: list[Any] = [
        add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = structlog.processors.JSONRenderer() if options["json"] else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
        }
    )


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace fields with secret names, and anything in the text that has the shape of a secret."""
    for field, value in list(event.items()):
        if field.lower() in SECRET_KEYS:
            event[field] = HIDDEN
        elif isinstance(value, str):
            event[field] = SECRET_TEXT.sub(HIDDEN, value)
    return event
