"""32 simultaneous refreshes of one token over real HTTP: one winner, one child, and the losers end the family."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.live import LiveServer, start_live_server

ROUNDS = 8
SIMULTANEOUS = 32


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yield a live server with four processes."""
    with start_live_server(tmp_path_factory.mktemp("storm"), workers=4) as server:
        yield server


def test_refresh_storm_has_one_winner_and_one_child_each_round(four_workers: LiveServer) -> None:
    place = four_workers.place("acme/prod")
    with ThreadPoolExecutor(SIMULTANEOUS) as threads:
        for _ in range(ROUNDS):
            token = device_refresh_token(four_workers, place)
            together = threading.Barrier(SIMULTANEOUS)
            answers = list(threads.map(lambda _: storm(place, token, together), range(SIMULTANEOUS)))  # noqa: B023
            winners = [body for status, body in answers if status == 200]
            losers = [(status, body.get("error")) for status, body in answers if status != 200]
            assert len(winners) == 1
            assert set(losers) == {(400, "invalid_grant")}
            assert post(place, winners[0]["refresh_token"])[0] == 400, "reuse has ended the family"


def test_single_refresh_on_live_server_keeps_the_branch_alive(four_workers: LiveServer) -> None:
    place = four_workers.place("acme/prod")
    token = device_refresh_token(four_workers, place)
    for _ in range(5):
        status, body = post(place, token)
        assert status == 200
        token = body["refresh_token"]


def device_refresh_token(server: LiveServer, place: dict[str, Any]) -> str:
    """Return a first refresh token of the demo device."""
    body = json.dumps({"secret": place["device"]["secret"]}).encode()
    url = f"{server.base_url}/api/v1/devices/{place['device']['id']}/authenticate"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(json.load(answer)["refresh_token"])


def storm(place: dict[str, Any], token: str, together: threading.Barrier) -> tuple[int, dict[str, Any]]:
    """Refresh once everybody else is ready too."""
    together.wait(30)
    return post(place, token)


def post(place: dict[str, Any], token: str) -> tuple[int, dict[str, Any]]:
    """Refresh and return status and body."""
    form = urlencode({"grant_type": "refresh_token", "refresh_token": token, "client_id": place["device"]["id"]})
    try:
        with urllib.request.urlopen(f"{place['issuer']}/oauth/token", form.encode(), timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
