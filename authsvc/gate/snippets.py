"""Ready text that makes a gateway trust our tokens: AgentOS, environment lines, curl, Authlib, PyJWT, nginx.

Every text checks the audience and the issuer; none holds a secret. What is filled in comes from the gateway's row and
is quoted for where it stands.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.jwt import SHARED_SECRET_ALGORITHM
from authsvc.tokens.keys import DEVELOPMENT
from authsvc.web.caller import Caller
from rbac.models import Gateway, GatewayKind


@dataclass(frozen=True, slots=True)
class Snippet:
    """One text, its language, and what to know before using it."""

    name: str
    language: str
    text: str
    note: str = ""


_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:/_\[\]-]+")
CRYPTOGRAPHY_NOTE = (
    "agno[os] does not install cryptography; without it AgentOS drops every key of the file and does not start. "
    "Install cryptography beside it. AgentOS reads the file once: fetch it again and restart before a key is activated."
)


SECURITY_KEY = 'export OS_SECURITY_KEY="$GATEWAY_TOKEN"  # a gateway token of this gateway: agw_dev_…'
SECURITY_KEY_NOTE = (
    "For a first look in development: without authorization= AgentOS lets whoever sends this one key do everything. "
    "Any other environment uses signed tokens."
)


def snippets_of(caller: Caller, gateway: Gateway) -> list[Snippet]:
    """Return the texts for one gateway of the caller's environment."""
    issuer = issuer_of(caller.tenant, caller.environment)
    is_shared = gateway.algorithm == SHARED_SECRET_ALGORITHM
    return [
        Snippet("agentos", "python", _agentos(gateway, issuer, is_shared=is_shared), CRYPTOGRAPHY_NOTE),
        Snippet("env", "shell", _environment(gateway, issuer, is_shared=is_shared)),
        Snippet("curl", "shell", _curl(gateway, issuer)),
        Snippet("authlib", "python", _authlib(gateway, issuer)),
        Snippet("pyjwt", "python", _pyjwt(gateway, issuer, is_shared=is_shared)),
        Snippet("nginx", "nginx", _nginx(gateway, issuer), "authsvc must see only this proxy's own headers."),
        *(
            [Snippet("security-key", "shell", SECURITY_KEY, SECURITY_KEY_NOTE)]
            if _is_agno_in_development(gateway)
            else []
        ),
    ]


def _is_agno_in_development(gateway: Gateway) -> bool:
    return gateway.kind == GatewayKind.AGNO and gateway.environment.name == DEVELOPMENT


def _agentos(gateway: Gateway, issuer: str, *, is_shared: bool) -> str:
    if is_shared:
        keys = '        verification_keys=[os.environ["JWT_VERIFICATION_KEY"]],'
    else:
        keys = '        jwks_file="jwks.json",'
    return "\n".join(
        [
            *(["import os", ""] if is_shared else []),
            "from agno.os import AgentOS, Authorization",
            "",
            "agent_os = AgentOS(",
            f"    id={_quoted(gateway.audience)},",
            "    agents=[...],",
            "    authorization=Authorization(  # without it every caller may do everything",
            keys,
            f"        algorithm={_quoted(gateway.algorithm)},",
            f"        audience={_quoted(gateway.audience)},",
            "        verify_audience=True,  # off by default, also when audience is set",
            f"        issuer={_quoted(issuer)},",
            f"        admin_scope={_quoted(gateway.admin_scope)},",
            "    ),",
            ")",
        ]
    )


def _environment(gateway: Gateway, issuer: str, *, is_shared: bool) -> str:
    pem = f'# or, until the key rotates: JWT_VERIFICATION_KEY="$(curl -fsS {shlex.quote(issuer + "/jwks.pem")})"'
    key = ["JWT_VERIFICATION_KEY=…  # the secret shown once"] if is_shared else ["JWT_JWKS_FILE=jwks.json", pem]
    return "\n".join(
        [*key, f"AUTHSVC_ISSUER={shlex.quote(issuer)}", f"AUTHSVC_AUDIENCE={shlex.quote(gateway.audience)}"]
    )


def _curl(gateway: Gateway, issuer: str) -> str:
    fetch = f"curl -fsS {shlex.quote(issuer + '/.well-known/jwks.json')} -o jwks.json"
    token = (
        'TOKEN=$(curl -fsS -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials '
        f"--data-urlencode {shlex.quote('audience=' + gateway.audience)} {shlex.quote(issuer + '/oauth/token')} "
        "| python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')"
    )
    call = f'curl -fsS -H "Authorization: Bearer $TOKEN" {shlex.quote(_address(gateway) + "/agents")}'
    return "\n".join([fetch, token, call])


def _authlib(gateway: Gateway, issuer: str) -> str:
    return "\n".join(
        [
            "from authlib.integrations.requests_client import OAuth2Session",
            "",
            'session = OAuth2Session(CLIENT_ID, CLIENT_SECRET, token_endpoint_auth_method="client_secret_basic")',
            "token = session.fetch_token(",
            f"    {_quoted(issuer + '/oauth/token')},",
            '    grant_type="client_credentials",',
            f"    audience={_quoted(gateway.audience)},",
            ")",
        ]
    )


def _pyjwt(gateway: Gateway, issuer: str, *, is_shared: bool) -> str:
    if is_shared:
        key = ["import os", "", "import jwt", "", 'key = os.environ["JWT_VERIFICATION_KEY"]']
    else:
        address = _quoted(issuer + "/.well-known/jwks.json")
        key = ["import jwt", "", f"key = jwt.PyJWKClient({address}).get_signing_key_from_jwt(token).key"]
    return "\n".join(
        [
            *key,
            "claims = jwt.decode(",
            "    token,",
            "    key,",
            f"    algorithms=[{_quoted(gateway.algorithm)}],  # never the token's own choice",
            f"    audience={_quoted(gateway.audience)},",
            f"    issuer={_quoted(issuer)},",
            '    options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},',
            ")",
        ]
    )


def _nginx(gateway: Gateway, issuer: str) -> str:
    return "\n".join(
        [
            "location / {",
            "    auth_request /authsvc;",
            f"    proxy_pass {_address(gateway)};",
            "}",
            "location = /authsvc {",
            "    internal;",
            f"    proxy_pass {issuer}/gateways/{gateway.id}/forward-auth;",
            "    proxy_pass_request_body off;",
            '    proxy_set_header Content-Length "";',
            "    proxy_set_header X-Forwarded-Method $request_method;",
            "    proxy_set_header X-Forwarded-Uri $request_uri;",
            "}",
        ]
    )


def _address(gateway: Gateway) -> str:
    """Return the gateway's address; one with characters that mean something elsewhere is replaced by the usual one."""
    return gateway.url.rstrip("/") if _PLAIN_ADDRESS.fullmatch(gateway.url) else "http://127.0.0.1:7777"


def _quoted(text: str) -> str:
    """Return a Python string literal that holds the text."""
    return json.dumps(text)
