"""Problems, callers, identifiers and secrets: the values every floor hands around."""

from __future__ import annotations

import copy
import json
import os
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace

import pytest
from django.contrib.admin.utils import unquote

from authsvc.web.caller import Caller, CallerKind
from authsvc.web.identifiers import ALPHABET, new_id, random_base62
from authsvc.web.problems import (
    BadRequest,
    Conflict,
    Forbidden,
    InsufficientScope,
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
from authsvc.web.secret_text import MASK, SecretText

SECRET = "sk-ant-api03-never-shown-4711"
STATUSES = {
    Problem: 500,
    BadRequest: 400,
    ValidationFailed: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    InsufficientScope: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    TooManyRequests: 429,
    Unavailable: 503,
}


@pytest.mark.parametrize("kind", STATUSES)
def test_problem_document_has_the_five_members_and_its_own_status(kind: type[Problem]) -> None:
    document = kind().as_document()
    assert set(document) == {"type", "title", "status", "detail", "code"}
    assert document["status"] == STATUSES[kind]
    assert document["type"] == f"urn:authsvc:problem:{document['code']}"
    assert document["detail"] == kind.default_detail


def test_problem_slugs_are_all_different() -> None:
    assert len({kind.slug for kind in STATUSES}) == len(STATUSES)


def test_problem_with_everything_shows_errors_and_extra_but_never_the_hint() -> None:
    problem = ValidationFailed(
        "Look.", hint="only for the operator", headers={"X": "1"}, errors={"a": ("b",)}, extra={"reason": "c"}
    )
    document = problem.as_document()
    assert document["detail"] == str(problem) == "Look."
    assert document["errors"] == {"a": ["b"]}
    assert document["reason"] == "c"
    assert problem.headers == {"X": "1"}
    assert problem.hint == "only for the operator"
    assert "operator" not in json.dumps(document)


def test_problem_with_an_empty_detail_keeps_it_empty() -> None:
    assert NotFound("").as_document()["detail"] == ""
    assert NotFound(hint="").hint == ""


def make_caller() -> Caller:
    return Caller("ten_1", "acme", "env_1", "prod", "svc_1", CallerKind.SERVICE_ACCOUNT, frozenset({"a:read"}))


def test_caller_is_frozen_and_counts_as_authenticated() -> None:
    caller = make_caller()
    assert caller.is_authenticated is True
    with pytest.raises(FrozenInstanceError):
        caller.scopes = frozenset()  # type: ignore[misc]


def test_caller_within_changes_the_environment_alone() -> None:
    caller = make_caller()
    moved = caller.within("env_2", "dev")
    assert (moved.environment_id, moved.environment) == ("env_2", "dev")
    assert replace(moved, environment_id="env_1", environment="prod") == caller


def test_new_id_is_prefix_and_22_characters_of_base62() -> None:
    prefix, _, body = new_id("prf").partition("_")
    assert prefix == "prf"
    assert len(body) == 22
    assert set(body) <= set(ALPHABET)
    assert len(ALPHABET) == len(set(ALPHABET)) == 62


def test_new_id_never_repeats_in_many() -> None:
    assert len({new_id("x") for _ in range(5000)}) == 5000


def test_new_id_reads_the_same_in_an_address_of_the_admin() -> None:
    assert unquote("x_2F7k") == "x/7k"
    assert all(unquote(made) == made for made in (new_id("x") for _ in range(20_000)))


def test_new_ids_of_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda _: [new_id("x") for _ in range(500)], range(16))
    assert len({one for many in made for one in many}) == 8000


def test_a_forked_process_makes_other_ids_than_its_parent() -> None:
    new_id("x")  # random bytes for further ones are there now
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "\n".join(new_id("x") for _ in range(200)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        others = set(pipe.read().split("\n"))
    assert len(others) == 200
    assert not others & {new_id("x") for _ in range(200)}


@pytest.mark.parametrize("length", [0, 1, 43])
def test_random_base62_has_the_wanted_length(length: int) -> None:
    assert len(random_base62(length)) == length


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>60}",
        lambda secret: f"{secret:>60}",
        lambda secret: "%s" % secret,  # noqa: UP031 - the old way must be masked too
        lambda secret: repr([secret]),
        lambda secret: repr({"value": secret}),
        lambda secret: json.dumps({"value": secret}, default=str),
    ],
)
def test_secret_text_shown_in_any_way_is_masked(show: object) -> None:
    shown = show(SecretText(SECRET))  # type: ignore[operator]
    assert MASK in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, lambda secret: pickle.dumps([secret], protocol=5)]
)
def test_secret_text_pickled_copied_or_dumped_is_refused_without_showing_it(take: object) -> None:
    with pytest.raises(TypeError) as caught:
        take(SecretText(SECRET))  # type: ignore[operator]
    assert SECRET not in str(caught.value)


def test_secret_text_in_a_traceback_with_locals_is_masked() -> None:
    secret = SecretText("kept " * 4)
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(shown.format())
    assert "kept kept" not in text
    assert MASK in text


def test_secret_text_has_no_attributes_to_look_into() -> None:
    secret = SecretText(SECRET)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(AttributeError):
        secret.other = 1  # type: ignore[attr-defined]


def test_secret_text_reveals_measures_and_judges_its_value() -> None:
    assert SecretText(SECRET).reveal() == SECRET
    assert len(SecretText(SECRET)) == len(SECRET)
    assert bool(SecretText(SECRET)) is True
    assert bool(SecretText("")) is False
