"""A string that does not show itself: repr, str, format, pickle, copy and JSON are masked. PURE."""

from __future__ import annotations

from typing import NoReturn

MASK = "********"


class SecretText:
    """Wraps a secret value; ``reveal()`` is the one, greppable way to read it."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self.__value

    def __repr__(self) -> str:
        return f"SecretText({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return MASK

    def __len__(self) -> int:
        return len(self.__value)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled or copied.")
