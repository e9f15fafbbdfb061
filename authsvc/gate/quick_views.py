"""The quick door's views of this room: decide, and the device that shows its secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.http import HttpRequest

from authsvc.gate.decide import Question, decide
from authsvc.gate.views.decisions import Decide, decision_document
from authsvc.gate.views.device_authentication import DeviceAuthentication, authenticated_document
from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.problems import Unauthenticated
from authsvc.web.quick import Find, QuickView, plain_body, plain_texts
from authsvc.web.request_id import request_id_of
from authsvc.web.serializers import is_identifier
from devices.services.authenticate import authenticate_device

QUESTION = {"token": 16_384, "gateway": 128, "scope": 255, "method": 10, "path": 2000}
SECRET = {"secret": 256}
MAXIMUM_BYTES = 32_768


def find_decide(environ: Environ, _names: Mapping[str, str]) -> QuickView | None:
    """Return the view of a plain question with a bearer; ``None`` leaves the request as it came."""
    body = plain_body(environ, maximum_bytes=MAXIMUM_BYTES) if environ.get("HTTP_AUTHORIZATION") else None
    question = None if body is None else plain_question(body)
    if question is None:
        return None

    def work(_request: HttpRequest, caller: Caller | None, now: datetime) -> object:
        if caller is None:
            raise Unauthenticated
        return decision_document(decide(caller, question, now=now))

    return QuickView(Decide, work)


def plain_question(body: bytes) -> Question | None:
    """Return the question of a body whose every field is a plain text of good length, or ``None``."""
    fields = plain_texts(body, QUESTION)
    if fields is None or "token" not in fields:
        return None
    gateway = fields.get("gateway", "")
    if gateway and not is_identifier(gateway):
        return None
    return Question(
        token=fields["token"],
        gateway_id=gateway,
        scope=fields.get("scope", ""),
        method=fields.get("method", ""),
        path=fields.get("path", ""),
    )


def find_device_authentication(environ: Environ, names: Mapping[str, str]) -> QuickView | None:
    """Return the view of a device that shows its secret."""
    body = plain_body(environ, maximum_bytes=MAXIMUM_BYTES)
    fields = None if body is None else plain_texts(body, SECRET)
    if fields is None or "secret" not in fields:
        return None
    secret = fields["secret"]

    def work(request: HttpRequest, caller: Caller | None, now: datetime) -> object:
        proven = authenticate_device(
            names["device_id"],
            secret,
            within=caller,
            address=client_address(request),
            request_id=request_id_of(request),
            now=now,
        )
        return authenticated_document(proven, "device_secret", now)

    return QuickView(DeviceAuthentication, work)


API_VIEWS: Mapping[str, Find] = {
    r"/api/v1/decide": find_decide,
    r"/api/v1/devices/(?P<device_id>[a-zA-Z0-9_-]{1,128})/authenticate": find_device_authentication,
}
