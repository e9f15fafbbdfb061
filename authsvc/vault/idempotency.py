"""``Idempotency-Key`` on writes: a repeated request gets the first answer again and does nothing a second time.

After draft-ietf-httpapi-idempotency-key-header: the key is the caller's own, for this method and address; the same key
with another body is 422. The key, the change and its answer commit together: whoever repeats while the first still runs
waits for it, and after a failure the key is free. Answers are kept sealed for a day, then forgotten.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial, wraps
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.models import IdempotentReply
from authsvc.vault.services import open_text, seal_text
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem, ValidationFailed
from authsvc.web.secret_text import SecretText

KEPT_FOR: Final = timedelta(days=1)
KEY: Final = re.compile(r'(?P<quote>"?)(?P<key>[\x21\x23-\x5b\x5d-\x7e]{1,255})(?P=quote)')
HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters of your own; a repeat within a day gets the first answer again.",
)
Handler = Callable[..., Response]
FindCaller = Callable[[ApiView, Request], Caller]
TAKES_KEY: Final[set[Handler]] = set()


class IdempotencyKeyReused(Problem):
    """The key was used for another request; nothing was done."""

    slug, title, status = "idempotency_key_reused", "Key used for another request", 422
    default_detail = "This Idempotency-Key was used with another body or address; choose a new one."


def idempotent(handler: Handler) -> Handler:
    """Let a view's method take an ``Idempotency-Key``; without one nothing changes."""
    return idempotent_for(lambda view, _request: view.caller)(handler)


def idempotent_for(find_caller: FindCaller) -> Callable[[Handler], Handler]:
    """Do the same where the proof lies in the body: ``find_caller`` says whose key it is, or raises."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def handle(view: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = key_of(request)
            if key is None:
                return handler(view, request, *args, **kwargs)
            caller = find_caller(view, request)
            work = partial(handler, view, request, *args, **kwargs)
            return _once(caller, key, _signature(caller, request), work, view.now)

        TAKES_KEY.add(handle)
        return handle

    return decorate


def key_of(request: Request) -> str | None:
    """Return the key a request came with, bare or as a quoted string; raises ``ValidationFailed`` for any other."""
    raw = request.headers.get(HEADER)
    if raw is None:
        return None
    found = KEY.fullmatch(raw)
    if found is None:
        raise ValidationFailed(errors={HEADER: ["Give 1 to 255 visible ASCII characters."]})
    return found["key"]


def _once(caller: Caller, key: str, signature: str, work: Callable[[], Response], now: datetime) -> Response:
    digest = hashlib.sha256(key.encode()).hexdigest()
    known = IdempotentReply.objects.for_environment(caller).filter(principal_id=caller.principal_id, key_sha256=digest)
    with transaction.atomic():
        known.filter(expires_at__lte=now).delete()
        reply = _begin(caller, digest, signature, now)
        if reply is None:
            return _replay(known.get(), signature)
        response = work()
        body = SecretText(JSONRenderer().render(response.data).decode())
        reply.status, reply.sealed = response.status_code, seal_text(caller, reply.place(), body, now=now)
        reply.save(update_fields=["status", "sealed"])
    return response


def _begin(caller: Caller, digest: str, signature: str, now: datetime) -> IdempotentReply | None:
    """Return our own row, or ``None`` when there is one; the constraint makes a simultaneous repeat wait here."""
    reply = IdempotentReply(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        principal_id=caller.principal_id,
        key_sha256=digest,
        request_hmac=signature,
        created_at=now,
        expires_at=now + KEPT_FOR,
    )
    try:
        with transaction.atomic():
            reply.save(force_insert=True)
    except IntegrityError:
        return None
    return reply


def _replay(reply: IdempotentReply, signature: str) -> Response:
    if not constant_time_compare(reply.request_hmac, signature):
        raise IdempotencyKeyReused
    body = json.loads(open_text(reply.place(), reply.sealed).reveal())
    return Response(body, status=reply.status, headers={REPLAYED: "true", "Cache-Control": "no-store"})


def _signature(caller: Caller, request: Request) -> str:
    """Return what tells one request from another; keyed, because a body may hold a secret that could be guessed.

    The caller's scopes are in it: an answer may hold a token that a narrower proof of the same caller must not see.
    """
    parts = [request.method, request.get_full_path(), request.data, sorted(caller.scopes)]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return salted_hmac("authsvc.vault.idempotency", text, algorithm="sha256").hexdigest()
