"""The base of every API view: it declares the scope each method requires, and knows the caller and the time.

A view without a declared rule answers nobody, and a test that walks the routes fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.utils.functional import cached_property
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from authsvc.web.caller import Caller
from authsvc.web.pagination import CursorPages
from authsvc.web.problems import Unauthenticated
from authsvc.web.serializers import StrictSerializer

Row = TypeVar("Row", bound=Model)


class ApiView(APIView):
    """``required_scopes`` maps each method to the scope it requires, ``ANY_CALLER``, or ``PROOF_IN_BODY``."""

    required_scopes: ClassVar[Mapping[str, str]] = {}
    sensitive: ClassVar[bool] = False  # True: the tighter limit of sensitive routes applies
    filterset_class: ClassVar[type[Any] | None] = None
    pages_class: ClassVar[type[CursorPages]] = CursorPages
    lists: ClassVar[bool] = False  # True: GET answers pages

    @property
    def caller(self) -> Caller:
        """Return who is asking; raises ``Unauthenticated`` when nobody proved to be anybody."""
        user = self.request.user
        if not isinstance(user, Caller):
            raise Unauthenticated
        return user

    @cached_property
    def now(self) -> datetime:
        """Return the time of this request, read once."""
        return datetime.now(UTC)

    def fields(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        """Return the validated body; raises DRF's ``ValidationError``, which becomes ``ValidationFailed``."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated

    def page(self, rows: QuerySet[Row], output: type[BaseSerializer[Any]]) -> Response:
        """Return one page of rows, filtered by the view's filter set."""
        if self.filterset_class is not None:
            filters = self.filterset_class(self.request.query_params, queryset=rows, request=self.request)
            if not filters.is_valid():
                raise ValidationError(filters.errors)
            rows = filters.qs
        pages = self.pages_class()
        found = pages.paginate_queryset(rows, self.request, self) or []
        return pages.get_paginated_response(output(found, many=True, context={"now": self.now}).data)
