"""One cursor pagination for every list: newest first, ``?limit=`` 1 to 200, ``?cursor=`` from the previous answer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound as RestNotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from authsvc.web.problems import ValidationFailed

MAXIMUM = 200


class CursorPages(CursorPagination):
    """``{next, previous, results}``; ``next`` and ``previous`` are whole addresses or null."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = MAXIMUM
    ordering: tuple[str, ...] = ("-created_at", "-id")

    def get_page_size(self, request: Request) -> int:
        """Return the wanted size; raises ``ValidationFailed`` outside 1 to 200."""
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAXIMUM):
            raise ValidationFailed(errors={"limit": [f"Give a number from 1 to {MAXIMUM}."]})
        return int(text)

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        """Return one page; a cursor that is not ours is a field error."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (RestNotFound, ValueError, OverflowError, ValidationError) as error:
            raise ValidationFailed(errors={"cursor": ["This is not a cursor of this list."]}) from error
