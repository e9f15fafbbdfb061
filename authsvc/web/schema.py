"""The OpenAPI description: every operation also names the problems that any of them can answer with."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from authsvc.web.pagination import MAXIMUM
from authsvc.web.scope_rules import PROOF_IN_BODY


class ProblemDocument(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors: Any = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)


COMMON = {
    "400": "The request is malformed or a field is invalid.",
    "401": "No proof, or one that is not accepted.",
    "403": "The proof lacks the required scope.",
    "404": "There is nothing here for this caller.",
    "405": "This method is not allowed here.",
    "409": "The request conflicts with the current state.",
    "410": "The value was destroyed with its key.",
    "413": "The body is larger than 1 MiB.",
    "415": "The body is not JSON in UTF-8.",
    "422": "The request is understood and cannot be done.",
    "429": "Too many requests.",
    "503": "A part the answer depends on is away.",
}
GOOD = {"200": "Done.", "201": "Made.", "204": "Done; there is nothing to say."}
LIST_PARAMETERS = [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAXIMUM},
        "description": "How many rows a page holds.",
    },
    {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "From the previous answer."},
]


class HouseSchema(AutoSchema):
    """Adds the common problems and the required scope to each operation, and tells pages from lists."""

    def get_operation(self, *args: Any, **options: Any) -> Any:
        """Return the operation with its problems and, for lists, the page parameters."""
        operation = super().get_operation(*args, **options)
        if operation is None:
            return None
        reference = {"$ref": "#/components/schemas/ProblemDocument"}
        self.resolve_serializer(ProblemDocument, "response")
        for status, description in COMMON.items():
            content = {"application/problem+json": {"schema": reference}}
            operation["responses"].setdefault(status, {"description": description, "content": content})
        for status, answer in operation["responses"].items():
            answer["description"] = answer.get("description") or GOOD.get(status, "")
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        if scope:
            operation["x-required-scope"] = scope
        if scope == PROOF_IN_BODY:
            operation["security"] = []
        if getattr(self.view, "lists", False) and self.method == "GET":
            operation.setdefault("parameters", []).extend(LIST_PARAMETERS)
            content = operation["responses"]["200"]["content"]["application/json"]
            content["schema"] = page_of(content["schema"])
        return operation

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return the one proof every API view takes; the settings describe it."""
        return [{"bearer": []}]

    def get_operation_id(self) -> str:
        """Return an id made of the method and the view's name, which two addresses may share."""
        owner = "OfAgent" if "{agent}" in self.path else ""
        return f"{self.method.lower()}{type(self.view).__name__}{owner}"

    def get_tags(self) -> list[str]:
        """Return the area: the first part of the path below the version."""
        return [self.path.removeprefix("/api/v1/").split("/")[0] or "api"]


def page_of(rows: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one page whose ``results`` are ``rows``."""
    link = {"type": "string", "nullable": True}
    properties = {"next": link, "previous": link, "results": rows}
    return {"type": "object", "properties": properties, "required": list(properties)}
