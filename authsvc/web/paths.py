"""Ids in paths: letters, digits, ``_`` and ``-``, 1 to 128 of them; anything else is no route at all."""

from __future__ import annotations

from django.urls import register_converter


class IdConverter:
    """``<id:name>`` in a path; Django anchors the pattern at the end without allowing a newline."""

    regex = r"[a-zA-Z0-9_-]{1,128}"

    def to_python(self, value: str) -> str:
        """Return the id."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id."""
        return value


class NameConverter(IdConverter):
    """``<name:…>``: providers and agents, which may also hold ``:``, ``.`` and ``@``."""

    regex = r"[a-zA-Z0-9_:.@-]{1,128}"


class AnythingConverter(IdConverter):
    """``<anything:…>``: a slash and whatever follows it, newlines included; for forward-auth alone."""

    regex = r"/(?:.|\n)*"


register_converter(AnythingConverter, "anything")
register_converter(IdConverter, "id")
register_converter(NameConverter, "name")
