"""The quick door's views of this room: decide, singly and in batches, filter, and the device that shows its secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from authsvc.gate.access import filter_ids
from authsvc.gate.authentication import bearer_of, find_admission
from authsvc.gate.decide import Question, decide, decide_batch
from authsvc.gate.serializers import are_ids
from authsvc.gate.verdicts import find_verdict, key_of, remember_verdict
from authsvc.gate.views.decisions import Decide, DecideBatch, Filter, decision_document
from authsvc.gate.views.device_authentication import DeviceAuthentication, authenticated_document, tokens_for
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.web.api import ApiView
from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.json_text import encoded, encoded_texts
from authsvc.web.parsing import parse_json
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.quick import Find, Found, QuickView, Warm, are_plain_texts, plain_body, plain_texts
from authsvc.web.request_id import request_id_of
from authsvc.web.serializers import is_identifier
from devices.services.authenticate import Attempt, use_secret
from rbac.services.known import known_gateway

QUESTION = {"token": 16_384, "gateway": 128, "scope": 255, "method": 10, "path": 2000}
FILTER = {"token": 16_384, "gateway": 128, "resource": 100, "action": 100}
SECRET = {"secret": 256}
MAXIMUM_BYTES = 32_768
MAXIMUM_QUESTIONS = 100
DATA_LIMIT = 1024 * 1024


def find_decide(environ: Environ, _names: Mapping[str, str]) -> Found | None:
    """Return the view of a plain question with a bearer, or its remembered answer; ``None`` leaves the request."""
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    body = plain_body(environ, maximum_bytes=MAXIMUM_BYTES) if authorization else None
    if body is None:
        return None
    key = key_of(authorization, body)
    warm = _warm(Decide, key)
    if warm is not None:
        return warm
    question = plain_question(body)
    if question is None:
        return None

    def work(_request: HttpRequest, caller: Caller | None, now: datetime) -> str:
        if caller is None:
            raise Unauthenticated
        decision = decide(caller, question, now=now)
        text = encoded(decision_document(decision))
        remember_verdict(key, caller, authorization, [(question, decision)], text, now=now)
        return text

    return QuickView(Decide, work)


def _warm(cls: type[ApiView], key: bytes, *, is_batch: bool = False) -> Warm | None:
    try:
        verdict = find_verdict(key, is_batch=is_batch, now=datetime.now(UTC))
    except (DatabaseError, InterfaceError):
        return None  # the whole way says so in the whole form
    return None if verdict is None else Warm(cls, verdict.caller, verdict.tell)


def find_batch(environ: Environ, _names: Mapping[str, str]) -> Found | None:
    """Return the view of a batch in which every question is a plain one, or its remembered answer."""
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    body = plain_body(environ, maximum_bytes=DATA_LIMIT) if authorization else None
    if body is None:
        return None
    key = key_of(authorization, body)
    warm = _warm(DecideBatch, key, is_batch=True)
    if warm is not None:
        return warm
    questions = plain_questions(body)
    if questions is None:
        return None

    def work(_request: HttpRequest, caller: Caller | None, now: datetime) -> str:
        if caller is None:
            raise Unauthenticated
        decisions = decide_batch(caller, questions, now=now)
        text = encoded({"decisions": [decision_document(decision) for decision in decisions]})
        decided = list(zip(questions, decisions, strict=True))
        remember_verdict(key, caller, authorization, decided, text, is_batch=True, now=now)
        return text

    return QuickView(DecideBatch, work)


def plain_questions(body: bytes) -> list[Question] | None:
    """Return the questions of a batch, or ``None`` unless every one of 1 to 100 is plain."""
    document = _json_object(body)
    listed = document.get("questions") if document is not None and len(document) == 1 else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAXIMUM_QUESTIONS:
        return None
    questions = [_question(one) for one in listed if isinstance(one, dict) and are_plain_texts(one, QUESTION)]
    found = [question for question in questions if question is not None]
    return found if len(found) == len(listed) else None


def plain_question(body: bytes) -> Question | None:
    """Return the question of a body whose every field is a plain text of good length, or ``None``."""
    fields = plain_texts(body, QUESTION)
    return None if fields is None else _question(fields)


def _question(fields: Mapping[str, str]) -> Question | None:
    if "token" not in fields:
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


def find_filter(environ: Environ, _names: Mapping[str, str]) -> Found | None:
    """Return the view of a list to be cut down, for somebody who is known: its long body is read for nobody else."""
    if not _is_known(str(environ.get("HTTP_AUTHORIZATION", ""))):
        return None
    body = plain_body(environ, maximum_bytes=DATA_LIMIT)
    fields = None if body is None else _json_object(body)
    ids = None if fields is None else fields.pop("ids", None)
    if fields is None or not are_ids(ids) or not are_plain_texts(fields, FILTER):
        return None
    gateway_id = fields.pop("gateway", "")
    if fields.keys() != {"token", "resource", "action"} or (gateway_id and not is_identifier(gateway_id)):
        return None

    def work(_request: HttpRequest, caller: Caller | None, now: datetime) -> str:
        if caller is None:
            raise Unauthenticated
        gateway = known_gateway(caller, gateway_id) if gateway_id else None
        return encoded_texts("ids", filter_ids(caller, **fields, gateway=gateway, ids=ids, now=now))

    return QuickView(Filter, work)


def _is_known(authorization: str) -> bool:
    try:
        return find_admission(bearer_of(authorization) or "", audience=API_AUDIENCE) is not None
    except (DatabaseError, InterfaceError):
        return False  # the whole way says so in the whole form


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = parse_json(body)
    except Problem:
        return None
    return document if isinstance(document, dict) else None


def find_device_authentication(environ: Environ, names: Mapping[str, str]) -> Found | None:
    """Return the view of a device that shows its secret."""
    body = plain_body(environ, maximum_bytes=MAXIMUM_BYTES)
    fields = None if body is None else plain_texts(body, SECRET)
    if fields is None or "secret" not in fields:
        return None
    secret = fields["secret"]

    def work(request: HttpRequest, caller: Caller | None, now: datetime) -> str:
        attempt = Attempt(names["device_id"], caller, client_address(request), request_id_of(request), now)
        return encoded(authenticated_document(use_secret(attempt, secret, tokens_for("device_secret", now)), now))

    return QuickView(DeviceAuthentication, work)


API_VIEWS: Mapping[str, Find] = {
    r"/api/v1/decide": find_decide,
    r"/api/v1/decide/batch": find_batch,
    r"/api/v1/filter": find_filter,
    r"/api/v1/devices/(?P<device_id>[a-zA-Z0-9_-]{1,128})/authenticate": find_device_authentication,
}
