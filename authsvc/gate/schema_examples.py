"""An example for every described body and answer: a table of values by field name, put together as the schema says.

What a field is called says what stands in it (``role_id`` is a role's id wherever it appears); the few that mean
something else in one place are named with it. A test sends each example of a body to the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
MOMENT, LATER, DIGEST = "2026-11-22T12:00:00Z", "2027-02-20T12:00:00Z", "9f86d081884c7d65" * 4
IDS = {
    "account_id": "svc_4Qm2kPz8RtVw3XyB7NcD5F",
    "principal_id": "svc_4Qm2kPz8RtVw3XyB7NcD5F",
    "role_id": "rol_7NcD5F4Qm2kPz8RtVw3XyB",
    "gateway_id": "gwy_8RtVw3XyB7NcD5F4Qm2kPz",
    "gateway": "gwy_8RtVw3XyB7NcD5F4Qm2kPz",
    "device_id": "dev_3XyB7NcD5F4Qm2kPz8RtVw",
    "device": "dev_3XyB7NcD5F4Qm2kPz8RtVw",
    "profile_id": "prf_kPz8RtVw3XyB7NcD5F4Qm2",
    "lease_id": "lse_Vw3XyB7NcD5F4Qm2kPz8Rt",
    "operator_id": "opr_yB7NcD5F4Qm2kPz8RtVw3X",
    "channel_id": "chn_cD5F4Qm2kPz8RtVw3XyB7N",
    "environment_id": "env_5F4Qm2kPz8RtVw3XyB7NcD",
    "id": "row_m2kPz8RtVw3XyB7NcD5F4Q",
    "jti": "jti_2kPz8RtVw3XyB7NcD5F4Qm",
    "token_id": "jti_2kPz8RtVw3XyB7NcD5F4Qm",
    "decision_id": "dec_Pz8RtVw3XyB7NcD5F4Qm2k",
    "request_id": "req_z8RtVw3XyB7NcD5F4Qm2kP",
    "subject_id": "grt_w3XyB7NcD5F4Qm2kPz8RtV",
    "actor_id": "svc_4Qm2kPz8RtVw3XyB7NcD5F",
}
VALUES: Mapping[str, Any] = {
    **IDS,
    "acts": ["trust"],
    "address": "192.0.2.7",
    "address_ranges": ["192.0.2.0/24"],
    "admin_scope": "agent_os:admin",
    "agent": "main",
    "algorithm": "RS256",
    "allowed_gateways": [],
    "allowed_channels": None,
    "allowed_principals": [],
    "audience": "research-os",
    "authenticated": True,
    "capabilities": ["audio", "display"],
    "ceilings": {},
    "channel": "telegram",
    "chat": "-100123",
    "claims": {"email": "email"},
    "client_id": "cli",
    "client_mode": "cli",
    "code": "K7QM2P9T",
    "confirm": ["agent_os:admin"],
    "content": "GROQ_API_KEY=gsk_" + "0" * 52,
    "dashboard_url": "https://console.example/usage",
    "endpoint_url": "https://api.example/v1",
    "description": "Runs the nightly reports.",
    "detail": "Every gate is open.",
    "device_type": "cli",
    "digest": DIGEST,
    "dm_policy": "allowlist",
    "document": {"dmPolicy": "allowlist", "allowFrom": [123456789]},
    "email": "reports@acme.example",
    "enrolment_code": "aec_…",
    "env_names": ["OWN_LLM_API_KEY"],
    "environment": "prod",
    "environments": ["dev", "prod"],
    "event_type": "grant.created",
    "expires_in": 3600,
    "fields": {"acts": ["trust"]},
    "firmware_version": "1.4.2",
    "general_limit": 100,
    "generatedAt": MOMENT,
    "group_gate": "either",
    "group_policy": "allowlist",
    "guild": "918273645",
    "hash": DIGEST,
    "http_status": 429,
    "ids": ["agent-1", "agent-2"],
    "in_force": {"general": 100, "sensitive": 20},
    "invited": "kim@acme.example",
    "issuer": "https://auth.example/t/acme/prod",
    "items": [],
    "kid": "kPrK_q7N2m",
    "kids": ["kPrK_q7N2m"],
    "label": "Our own model server",
    "maximum_uses": 10,
    "metadata": {"room": "4.12"},
    "method": "POST",
    "model": None,
    "name": "Nightly reports",
    "next": None,
    "nonce": "n-0S6_WzA2Mj",
    "operator_scopes": [],
    "overlap_seconds": 3600,
    "origins": ["https://console.acme.example"],
    "path": "/agents/agent-1/runs",
    "pattern": "/lamps/*",
    "pin": None,
    "platform": "linux",
    "prefixes": ["own-"],
    "previous": None,
    "previous_hash": DIGEST,
    "probe_url": "https://api.example/v1/models",
    "profile": "anthropic:default",
    "profiles": ["anthropic:default", "anthropic:work"],
    "provider": "anthropic",
    "public_jwk": {"kty": "OKP", "crv": "Ed25519", "kid": "kPrK_q7N2m", "use": "sig", "alg": "EdDSA", "x": "11qYAYKx…"},
    "public_jwks": [],
    "public_key": "",
    "purpose": "nightly report",
    "reason": "Asked for by the research team.",
    "refresh": "",
    "replaces": None,
    "requested_scopes": ["sessions:read"],
    "reset_at": LATER,
    "resource": "agents",
    "action": "run",
    "role": "auditor",
    "rotate_keys_after_days": 90,
    "rsa_bits": 3072,
    "salt": "",
    "passphrase": "",
    "scope": "agents:agent-1:run",
    "scopes": ["agents:agent-1:read", "agents:agent-1:run"],
    "maximum_scopes": ["agents:agent-1:read", "agents:agent-1:run"],
    "default_scopes": ["agents:agent-1:read"],
    "secret": "…shown once…",
    "sender": 123456789,
    "sensitive_limit": 20,
    "sentence": "See and switch the lamps.",
    "session": "s-41",
    "signature": "MEUCIQ…",
    "signed_at": 1795345200000,
    "snapshot": DIGEST,
    "source": "dev",
    "state": None,
    "subject_kind": "user",
    "tenant": "acme",
    "thresholds": {"successful_proofs": 30},
    "token": "eyJhbGciOiJSUzI1NiIs…",
    "token_client_id": "authsvc",
    "token_url": "https://login.example/oauth/token",
    "trust_level": 1,
    "ttl_seconds": 3600,
    "type": "urn:authsvc:problem:validation_failed",
    "url": "https://agents.acme.example",
    "user": 123456789,
    "user_code": "WDJB-MJHT",
    "value": "sk-ant-api03-…",
    "warn_after_seconds": 86_400,
}
IN_PLACE: Mapping[tuple[str, str], Any] = {
    ("AuditEventOutput", "detail"): {"principal_id": IDS["principal_id"], "role_id": IDS["role_id"]},
    ("ChannelRuleField", "subject_id"): 123456789,
    ("DecideInput", "channel"): {"kind": "telegram", "user": 123456789, "is_direct": True},
    ("DeviceInput", "role"): "",
    ("DeviceOutput", "id"): IDS["device_id"],
    ("FleetDeviceInput", "role"): "",
    ("GatewayOutput", "id"): IDS["gateway_id"],
    ("GatewayTokenImportInput", "token"): DIGEST,
    ("ImportInput", "format"): "dotenv",
    ("KeyInput", "scopes"): [],
    ("PairingInput", "name"): "Kim",
    ("ProviderInput", "label"): "Our own model server",
    ("ReportInput", "lease_id"): None,
    ("ReportInput", "reason"): "rate_limit",
    ("ResolveInput", "channel"): None,
    ("RoleOutput", "id"): IDS["role_id"],
    ("RouteRuleField", "scopes"): ["lamps:read"],
    ("ScopeInput", "scope"): "lamps:read",
    ("ServiceAccountOutput", "id"): IDS["account_id"],
    ("SignatureInput", "scopes"): [],
    ("SuspensionInput", "confirm"): "acme",
    ("TokenPolicyInput", "access_token_seconds"): 3600,
}


def give_body_examples(result: dict[str, Any]) -> None:
    """Put an example to every body and every good answer of the description that has none."""
    components = result["components"]["schemas"]
    for operation in _operations(result):
        bodies = [operation.get("requestBody", {})]
        bodies += [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        for body in bodies:
            for content in body.get("content", {}).values():
                if "example" not in content and "schema" in content:
                    content["example"] = example_of(content["schema"], components)


def _operations(result: Schema) -> Iterator[dict[str, Any]]:
    for item in result["paths"].values():
        yield from (item[method] for method in ("get", "post", "put", "patch", "delete") if method in item)


def example_of(schema: Schema, components: Schema, place: str = "", name: str = "") -> Any:
    """Return a value the schema describes; ``place`` is the component it stands in and ``name`` its field."""
    known = IN_PLACE.get((place, name), VALUES.get(name, _UNKNOWN))
    if known is not _UNKNOWN and _fits(known, schema, components):
        return known
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return example_of(components[component], components, component, name)
    for word in ("allOf", "oneOf", "anyOf"):
        if word in schema:
            return example_of(schema[word][0], components, place, name)
    return schema["enum"][0] if "enum" in schema else _by_type(schema, components, place, name)


_UNKNOWN = object()


def _by_type(schema: Schema, components: Schema, place: str, name: str) -> Any:
    match schema.get("type"):
        case "object":
            here = place.removesuffix("Request").removeprefix("Patched")
            fields = schema.get("properties", {})
            return {field: example_of(inner, components, here, field) for field, inner in fields.items()}
        case "array":
            return [example_of(schema["items"], components, place)]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return bool(schema.get("default", False))
        case "string":
            return {"date-time": LATER, "uri": "https://acme.example"}.get(schema.get("format", ""), "text")
        case _:
            return {}


def _fits(value: Any, schema: Schema, components: Schema) -> bool:
    """True when the value of a name is of the kind that this field is; elsewhere the name means something else."""
    if "$ref" in schema:
        return _fits(value, components[schema["$ref"].rpartition("/")[2]], components)
    if value is None:
        return bool(schema.get("nullable"))
    for word in ("allOf", "oneOf", "anyOf"):
        if word in schema:
            return any(_fits(value, inner, components) for inner in schema[word])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": int | float}
    kind = schema.get("type")
    if kind == "string" and schema.get("format") == "date-time" and value not in {MOMENT, LATER}:
        return False
    is_number = kind in {"integer", "number"} and isinstance(value, bool)
    return kind is None or (isinstance(value, kinds[kind]) and not is_number)
