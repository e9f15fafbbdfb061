"""Strict input fields: what each takes, normalises and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers

from authsvc.web.serializers import (
    IdentifierField,
    NameField,
    ScopesField,
    SlugField,
    StrictSerializer,
    TextField,
    is_identifier,
)

NOT_TEXT: tuple[Any, ...] = (None, 1, 1.5, True, [], ["a"], {}, {"a": 1})
TAKEN = [
    (TextField(), " a ", " a "),
    (TextField(max_length=3), "abc", "abc"),
    (NameField(), "  Ann  ", "Ann"),
    (NameField(), "\uff21\uff22", "AB"),
    (NameField(), "e\u0301", "\u00e9"),
    (NameField(allow_blank=True), "", ""),
    (NameField(allow_blank=True), "   ", ""),
    (IdentifierField(), "A_b-9", "A_b-9"),
    (IdentifierField(), "a" * 128, "a" * 128),
    (SlugField(), "eu-west-1", "eu-west-1"),
    (SlugField(), "a" * 63, "a" * 63),
    (ScopesField(), [], []),
    (ScopesField(), ["a:read", "b:write"], ["a:read", "b:write"]),
]
REFUSED: list[tuple[Any, Any]] = [
    *((field, value) for field in (TextField(), NameField(), IdentifierField(), SlugField()) for value in NOT_TEXT),
    (TextField(), ""),
    (TextField(max_length=3), "abcd"),
    *(
        (NameField(), text)
        for text in ("", "   ", "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "\ue000", "a\u2028b", "x" * 201)
    ),
    *((IdentifierField(), text) for text in ("", "a/b", "..", "a\n", "a b", "\u0661", "a" * 129, "a%00")),
    *((SlugField(), text) for text in ("", "A", "1a", "-a", "a_b", "a\n", "a" * 64, "\u00e4")),
    *((ScopesField(), value) for value in ("a:read", {"a": 1}, [1], [None], [["a"]], ["x" * 256], ["a"] * 501)),
]


class Chosen(StrictSerializer):
    """One choice, and a list of them."""

    kind = serializers.ChoiceField(choices=["api_key", "token"])
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=["api_key", "token"]), required=False)


@pytest.mark.parametrize("given", [{"kind": "pasted-secret"}, {"kind": "token", "kinds": ["pasted-secret"]}])
def test_choice_that_is_not_there_is_not_repeated(given: dict[str, Any]) -> None:
    serializer = Chosen(data=given)
    assert not serializer.is_valid()
    assert "Choose one of: api_key, token." in str(serializer.errors)
    assert "pasted-secret" not in str(serializer.errors)


@pytest.mark.parametrize(("field", "given", "expected"), TAKEN)
def test_field_takes_and_normalises(field: serializers.Field[Any, Any, Any, Any], given: Any, expected: Any) -> None:
    assert field.run_validation(given) == expected


@pytest.mark.parametrize(("field", "given"), REFUSED)
def test_field_refuses(field: serializers.Field[Any, Any, Any, Any], given: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        field.run_validation(given)


class Sample(StrictSerializer):
    """One field."""

    name = TextField()


def test_strict_serializer_names_unknown_fields() -> None:
    serializer = Sample(data={"name": "a", "tenant": "globex", "x" * 300: 1})
    assert not serializer.is_valid()
    assert serializer.errors["tenant"] == ["Unknown field."]
    assert max(len(name) for name in serializer.errors) == 100


def test_strict_serializer_returns_what_it_knows() -> None:
    serializer = Sample(data={"name": " a "})
    assert serializer.is_valid()
    assert serializer.validated_data == {"name": " a "}


@pytest.mark.parametrize("data", [None, [], "text", 1, True])
def test_strict_serializer_of_anything_but_an_object_is_refused(data: Any) -> None:
    assert not Sample(data=data).is_valid()


@pytest.mark.parametrize(
    ("text", "fits"), [("a", True), ("", False), ("a\n", False), ("a" * 129, False), ("..", False)]
)
def test_is_identifier_has_the_shape_of_an_id(text: str, fits: bool) -> None:
    assert is_identifier(text) is fits
