"""The world the tests live in: the demo's two tenants, and clients that speak as somebody in them."""

from __future__ import annotations

import base64
import functools
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.signals import setting_changed
from django.test import Client
from django.test.client import ClientHandler

from authsvc.tenants.models import Environment
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.web.caller import Caller

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def altered(secret: str) -> str:
    """Return a secret with another last character."""
    return secret[:-1] + ("y" if secret.endswith("x") else "x")


@functools.cache
def handler(*, enforces_csrf: bool) -> ClientHandler:
    """Return what test clients ask: the middleware is loaded once, and again when a setting changed."""
    return ClientHandler(enforce_csrf_checks=enforces_csrf)


setting_changed.connect(lambda **_: handler.cache_clear(), weak=False)


def new_client(*, enforces_csrf: bool = False) -> Client:
    """Return a test client without cookies."""
    client = Client()
    client.handler = handler(enforces_csrf=enforces_csrf)
    return client


class Api:
    """A test client that sends one bearer and JSON, and reads JSON back."""

    def __init__(self, bearer: str = "") -> None:
        self.client = new_client(enforces_csrf=True)
        self.headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request below ``/api/v1`` (or to a whole path) and return the answer."""
        url = path if path.startswith(("/api", "/t/", "/.well-known", "/health")) else f"/api/v1{path}"
        data = b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, url, data, content_type=JSON, headers={**self.headers, **headers})

    def get(self, path: str, **headers: str) -> Any:
        """GET."""
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """POST."""
        return self.send("POST", path, {} if body is None else body, **headers)


_callers: dict[str, Caller] = {}


@dataclass(frozen=True)
class Place:
    """One environment of the demo."""

    name: str
    document: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.document[name]

    def environment(self) -> Environment:
        """Return the row."""
        tenant, _, environment = self.name.partition("/")
        found: Environment = Environment.unscoped.select_related("tenant").get(tenant__slug=tenant, name=environment)
        return found

    def caller(self) -> Caller:
        """Return a system caller inside this environment: every scope, trust 3."""
        name = self.document["client_id"]
        if name not in _callers:
            _callers[name] = environment_caller(system_caller(), self.environment())
        return _callers[name]

    def api(self) -> Api:
        """Return a client with this environment's administrator API key."""
        return Api(self.document["api_key"])

    def path(self, rest: str) -> str:
        """Return a path below this environment's issuer."""
        return f"/t/{self.name}{rest}"

    def token_request(self, **fields: str) -> Any:
        """POST to the token endpoint as the demo client, unless told otherwise."""
        client_id = fields.pop("client_id", self.document["client_id"])
        secret = fields.pop("client_secret", self.document["client_secret"])
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        form = {"grant_type": "client_credentials", **fields}
        return self.form("/oauth/token", form, Authorization=f"Basic {basic}")

    def form(self, rest: str, fields: dict[str, str], **headers: str) -> Any:
        """POST a form below this environment's issuer."""
        return new_client().post(self.path(rest), urlencode(fields), content_type=FORM, headers=headers)

    def access_token(self, **fields: str) -> str:
        """Return an access token of the demo client."""
        return str(self.token_request(**fields).json()["access_token"])


@dataclass(frozen=True)
class World:
    """Everything the demo made, and the time it was made."""

    document: dict[str, Any]
    made_at: datetime

    def place(self, name: str) -> Place:
        """Return one environment, e.g. ``acme/prod``."""
        return Place(name, self.document["environments"][name])

    @property
    def prod(self) -> Place:
        """acme/prod: where the tests work."""
        return self.place("acme/prod")

    @property
    def dev(self) -> Place:
        """acme/dev: the other environment of the same tenant."""
        return self.place("acme/dev")

    @property
    def foreign(self) -> Place:
        """globex/prod: the other tenant."""
        return self.place("globex/prod")
