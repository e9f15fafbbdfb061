"""Strict input: unknown fields are refused, every text has a maximum, names that look the same are the same.

All request serializers inherit from :class:`StrictSerializer`; DRF's errors become ``ValidationFailed`` by field.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that names every field it does not know and repeats no value: one may be a misplaced secret."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; a choice that is not there is answered with the ones that are."""
        fields = super().get_fields()
        for field in fields.values():
            choice = getattr(field, "child", field)
            if isinstance(choice, serializers.ChoiceField):
                names = ", ".join(str(name) for name in choice.choices)
                choice.error_messages["invalid_choice"] = f"Choose one of: {names}."
        return fields

    def to_internal_value(self, data: Any) -> Any:
        """Return validated data; unknown keys are errors of their own."""
        if isinstance(data, dict):
            unknown = sorted(str(key)[:100] for key in set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({name: ["Unknown field."] for name in unknown[:20]})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text of at most ``max_length`` characters, taken as it is; numbers and booleans are not text."""

    def __init__(self, *, max_length: int = 2000, **options: Any) -> None:
        super().__init__(max_length=max_length, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the text; only a JSON string is accepted."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class NameField(TextField):
    """A name people read: NFKC-normalised, trimmed, without control or direction characters."""

    def __init__(self, *, max_length: int = 200, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the normalised name."""
        name = unicodedata.normalize("NFKC", super().to_internal_value(data)).strip()
        if not name and not self.allow_blank:
            self.fail("blank")
        if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for character in name):
            raise serializers.ValidationError("Control and formatting characters are not allowed in a name.")
        return name


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}]})
class OutsideIdField(serializers.JSONField):
    """An id of another product, text or number; what it may be is for the service to say."""


class IdentifierField(TextField):
    """An opaque id: letters, digits, ``_`` and ``-``, 1 to 128 characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=128, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the id."""
        text = super().to_internal_value(data)
        if not IDENTIFIER.match(text):
            raise serializers.ValidationError("Use letters, digits, _ and -, at most 128 characters.")
        return text


class SlugField(TextField):
    """A lower-case name for addresses: a letter, then letters, digits and ``-``, at most 63 characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=63, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the slug."""
        text = super().to_internal_value(data)
        if not SLUG.match(text):
            raise serializers.ValidationError("Use lower-case letters, digits and -, beginning with a letter.")
        return text


class ScopesField(serializers.ListField):
    """A list of at most 500 scope texts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=255), max_length=500, **options)


def is_identifier(text: str) -> bool:
    """True when ``text`` has the shape of an id in a path."""
    return bool(IDENTIFIER.match(text))
