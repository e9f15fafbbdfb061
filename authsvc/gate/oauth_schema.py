"""The OAuth and key-set addresses in the OpenAPI description, and an example for every described problem.

These are plain views, which no generator reads: what they take and answer stands here, and a test asks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from authsvc.gate.oauth_errors import InvalidClient, InvalidGrant, OAuthError
from authsvc.gate.schema_examples import give_body_examples
from authsvc.gate.token import grant_types
from authsvc.vault.idempotency import IdempotencyKeyReused
from authsvc.vault.services import DataKeyDestroyed
from authsvc.web.problems import (
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)

Schema = dict[str, Any]
ISSUER = "/t/{tenant}/{environment}"
FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
EXAMPLES: Mapping[str, Problem] = {
    "400": ValidationFailed(errors={"name": ["This field is required."]}),
    "401": Unauthenticated(),
    "403": Forbidden("This needs profiles:write.", extra={"scope": "profiles:write"}),
    "404": NotFound(),
    "405": MethodNotAllowed(),
    "409": Conflict(),
    "410": DataKeyDestroyed(),
    "413": PayloadTooLarge(),
    "415": UnsupportedMediaType(),
    "422": IdempotencyKeyReused(),
    "429": TooManyRequests(),
    "503": Unavailable(),
}
CLIENT = {"client_id": TEXT, "client_secret": TEXT, "client_assertion": TEXT, "client_assertion_type": TEXT}
TOKEN_FORM = {
    "grant_type": TEXT,
    **dict.fromkeys(("scope", "audience", "resource", "session_id", "refresh_token", "device_code"), TEXT),
    **dict.fromkeys(("subject_token", "subject_token_type", "actor_token", "actor_token_type"), TEXT),
    "requested_token_type": TEXT,
    **CLIENT,
}
TOKEN_ANSWER = {
    "access_token": TEXT,
    "token_type": TEXT,
    "expires_in": NUMBER,
    "scope": TEXT,
    "refresh_token": TEXT,
    "issued_token_type": TEXT,
    "device_id": TEXT,
}
INTROSPECTION = {
    "active": FLAG,
    **dict.fromkeys(("token_type", "iss", "sub", "aud", "scope", "jti", "tenant", "env", "client_id"), TEXT),
    "scopes": TEXTS,
    "trust_level": NUMBER,
    "device_id": TEXT,
    "iat": NUMBER,
    "exp": NUMBER,
    "act": {"type": "object"},
}
INVITATION = {
    "device_code": TEXT,
    "user_code": TEXT,
    "verification_uri": TEXT,
    "verification_uri_complete": TEXT,
    "expires_in": NUMBER,
    "interval": NUMBER,
}


def describe_oauth(result: Schema, **_options: Any) -> Schema:
    """Return the description with the OAuth addresses and with examples; a hook of drf-spectacular."""
    for path, item in _paths().items():
        for method, operation in item.items():
            operation["operationId"] = f"{method}{re.sub('[^A-Za-z]+', ' ', path).title().replace(' ', '')}"
        result["paths"][f"{ISSUER}{path}"] = item
    result["components"]["schemas"]["OAuthError"] = _object(
        {"error": TEXT, "error_description": TEXT}, ["error", "error_description"]
    )
    result["components"]["securitySchemes"]["client"] = {"type": "http", "scheme": "basic"}
    for operation in _operations(result):
        _give_examples(operation)
    give_body_examples(result)
    return result


def _paths() -> dict[str, Schema]:
    form, token = _form(TOKEN_FORM, ["grant_type"], grants=True), {"token": TEXT, "token_type_hint": TEXT, **CLIENT}
    issued = {
        "access_token": "eyJhbGciOiJSUzI1NiIs…",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "status:read",
    }
    inactive = {"active": False}
    invited = {
        "device_code": "GmRhmhcxhwAzkoEqiMEg…",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://auth.example/device",
        "expires_in": 600,
        "interval": 5,
    }
    keys = {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKx…", "kid": "kPrK_q…", "use": "sig", "alg": "EdDSA"}]
    }
    return {
        "/oauth/token": _post("Issue a token (RFC 6749, 8628, 8693).", form, _json(TOKEN_ANSWER, 4, issued)),
        "/oauth/introspect": _post(
            "Say what a token is worth (RFC 7662).", _form(token, ["token"]), _json(INTROSPECTION, 1, inactive)
        ),
        "/oauth/revoke": _post(
            "End a token (RFC 7009); 200 whether or not it was ours.", _form(token, ["token"]), {"description": "Done."}
        ),
        "/oauth/device_authorization": _post(
            "Ask for a device code (RFC 8628).",
            _form({"scope": TEXT, "audience": TEXT, "resource": TEXT, "device_name": TEXT, **CLIENT}, []),
            _json(INVITATION, 6, {**invited, "verification_uri_complete": "https://auth.example/device?user_code=…"}),
        ),
        "/.well-known/jwks.json": _get(
            "The public keys (RFC 7517).",
            "application/jwk-set+json",
            _object({"keys": {"type": "array", "items": {"type": "object"}}}, ["keys"]),
            keys,
        ),
        "/jwks.pem": _get("The public keys as PEM.", "application/x-pem-file", TEXT, "-----BEGIN PUBLIC KEY-----\n…"),
        "/.well-known/oauth-authorization-server": _get(
            "The metadata of the issuer (RFC 8414).",
            "application/json",
            _object(
                {"issuer": TEXT, "token_endpoint": TEXT, "jwks_uri": TEXT}, ["issuer", "token_endpoint", "jwks_uri"]
            ),
            {
                "issuer": "https://auth.example/t/acme/prod",
                "token_endpoint": "…/oauth/token",
                "jwks_uri": "…/jwks.json",
            },
        ),
    }


def _post(summary: str, form: Schema, answer: Schema) -> Schema:
    oauth = {"$ref": "#/components/schemas/OAuthError"}
    refusals = {
        "400": _refusal("The request or the grant is not valid.", {"application/json": oauth, PROBLEM: _problem()}),
        "401": _refusal("Client authentication failed.", {"application/json": oauth}),
    }
    responses = {"200": answer, **refusals, **_common("404", "405", "413", "429", "503")}
    operation = {"requestBody": form, "security": [{"client": []}, {"bearer": []}, {}], "responses": responses}
    return {"post": {"summary": summary, "tags": ["oauth"], "parameters": _place(), **operation}}


def _get(summary: str, content_type: str, schema: Schema, example: object) -> Schema:
    answer = {"description": summary, "content": {content_type: {"schema": schema, "example": example}}}
    unchanged = {"description": "Not changed since the given ETag."}
    responses = {"200": answer, "304": unchanged, **_common("400", "404", "405", "429", "503")}
    operation = {"summary": summary, "tags": ["oauth"], "parameters": _place(), "security": []}
    return {"get": {**operation, "responses": responses}}


def _place() -> list[Schema]:
    slug = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"}
    return [{"name": name, "in": "path", "required": True, "schema": slug} for name in ("tenant", "environment")]


def _form(fields: Mapping[str, Schema], required: list[str], *, grants: bool = False) -> Schema:
    known = {**fields, "grant_type": {"type": "string", "enum": list(grant_types())}} if grants else dict(fields)
    return {"required": True, "content": {FORM: {"schema": _object(known, required)}}}


def _json(fields: Mapping[str, Schema], required: int, example: object) -> Schema:
    """Describe a JSON answer whose first fields are always there."""
    schema = _object(fields, list(fields)[:required])
    return {"description": "Done.", "content": {"application/json": {"schema": schema, "example": example}}}


def _object(fields: Mapping[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(fields)}
    return {**schema, "required": required} if required else schema


def _problem() -> Schema:
    return {"$ref": "#/components/schemas/ProblemDocument"}


def _common(*statuses: str) -> Schema:
    return {status: _refusal(EXAMPLES[status].title, {PROBLEM: _problem()}) for status in statuses}


def _refusal(description: str, shapes: Mapping[str, Schema]) -> Schema:
    return {"description": description, "content": {name: {"schema": shape} for name, shape in shapes.items()}}


def _operations(result: Schema) -> Iterator[Schema]:
    for item in result["paths"].values():
        yield from (item[method] for method in ("get", "post", "put", "patch", "delete") if method in item)


def _give_examples(operation: Schema) -> None:
    """Give each described refusal the document it would carry."""
    for status, response in operation["responses"].items():
        for content_type, content in response.get("content", {}).items():
            problem = _example(status, content_type)
            if problem is not None:
                content.setdefault("example", problem.as_document())


def _example(status: str, content_type: str) -> Problem | None:
    if content_type == PROBLEM:
        return EXAMPLES.get(status)
    oauth: Mapping[str, OAuthError] = {"400": InvalidGrant(), "401": InvalidClient()}
    return oauth.get(status) if content_type == "application/json" else None
