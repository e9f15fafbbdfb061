"""The examples of the description: each is what its schema says, and each body's is taken by the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from authsvc.web.api_docs import described
from tests.api.test_areas import send
from tests.api.test_standard_eight import alike, with_a_body
from tests.world import World

Described = dict[str, Any]
METHODS = {"get", "post", "put", "patch", "delete"}
# Examples that name what a fresh environment cannot have: a digest of what was read before, a scope of its own.
NOT_YET_TRUE = {"POST /channels/{channel_id}/pairing/approve", "POST /devices/{device_id}/approve", "POST /promotions"}


def operations() -> Iterator[tuple[str, Described]]:
    """Yield each operation with its name."""
    for path, item in described()["paths"].items():
        for method in METHODS & set(item):
            yield f"{method.upper()} {path}", item[method]


def plain(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: what is nullable may also be null."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: plain(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


@lru_cache(maxsize=1)
def plain_components() -> Described:
    """Return what the schemas refer to."""
    found: Described = plain(described()["components"])
    return found


def faults_of(example: object, schema: Described) -> list[str]:
    """Return what an example has that its schema does not allow."""
    whole = {**plain(schema), "components": plain_components()}
    return [f"{error.json_path}: {error.message[:100]}" for error in Draft202012Validator(whole).iter_errors(example)]


def test_every_example_is_what_its_schema_says() -> None:
    faults, seen = [], 0
    for name, operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for body in bodies for content in body.get("content", {}).values()):
            seen += 1
            faults += [f"{name} {fault}" for fault in faults_of(content["example"], content["schema"])]
    assert seen >= 1500
    assert faults == []


def test_example_with_a_wrong_field_is_found() -> None:
    schema = {"$ref": "#/components/schemas/MeOutput"}
    assert faults_of({"tenant": 1}, schema)


def test_every_answer_and_operation_says_what_it_is() -> None:
    unsaid = [
        f"{name} {status}"
        for name, operation in operations()
        for status, answer in operation["responses"].items()
        if not answer.get("description")
    ]
    assert unsaid == []
    assert [
        name for name, operation in operations() if not (operation.get("description") or operation.get("summary"))
    ] == []


@pytest.mark.parametrize("call", with_a_body(), ids=str)
def test_example_of_a_body_is_taken(world: World, call: Any) -> None:
    wanted = alike(str(call))
    found = {alike(name.replace("/api/v1", "", 1)): operation for name, operation in operations()}[wanted]
    example = json.loads(json.dumps(found["requestBody"]["content"]["application/json"]["example"]))
    reply = send(world.prod.api(), call, world.prod, example)
    assert reply.status_code < 500
    assert reply.status_code != 400 or str(call) in NOT_YET_TRUE, reply.content
