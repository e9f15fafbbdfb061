"""32 simultaneous refreshes of one token over real HTTP: one winner, one live branch; reuse ends the family.

``AUTHSVC_TEST_SCALE=full`` runs 200 rounds. The engine is that of the leg (``TEST_DATABASE_URL``).
"""

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
from tests.scale import scaled

ROUNDS = scaled(3, 200)
SIMULTANEOUS = 32


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yield a live server with four processes."""
    with start_live_server(tmp_path_factory.mktemp("storm"), workers=4) as server:
        yield server


def test_refresh_storm_has_one_winner_and_one_live_branch_each_round(four_workers: LiveServer) -> None:
    place = four_workers.place("acme/prod")
    token = device_refresh_token(four_workers, place)
    with ThreadPoolExecutor(SIMULTANEOUS) as threads:
        for round_number in range(ROUNDS):
            winner = one_winner(threads, place, token)
            status, body = post(place, winner["refresh_token"])
            assert status == 200, f"round {round_number}: the winner's child lives"
            token = body["refresh_token"]


def test_token_of_a_storm_presented_right_after_it_ends_the_family(four_workers: LiveServer) -> None:
    place = four_workers.place("acme/prod")
    with ThreadPoolExecutor(SIMULTANEOUS) as threads:
        for _ in range(scaled(1, 50)):
            token = device_refresh_token(four_workers, place)
            winner = one_winner(threads, place, token)
            assert post(place, token)[0] == 400
            assert post(place, winner["refresh_token"])[0] == 400, "reuse ends the family"


def test_spent_token_presented_at_once_by_the_same_client_ends_the_family(four_workers: LiveServer) -> None:
    place = four_workers.place("acme/prod")
    for _ in range(scaled(2, 200)):
        first = device_refresh_token(four_workers, place)
        status, body = post(place, first)
        assert status == 200
        assert post(place, first)[0] == 400
        assert post(place, body["refresh_token"])[0] == 400, "reuse ends the family"


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


def one_winner(threads: ThreadPoolExecutor, place: dict[str, Any], token: str) -> dict[str, Any]:
    """Refresh one token 32 times at once; return the only good answer."""
    together = threading.Barrier(SIMULTANEOUS)
    answers = list(threads.map(lambda _: storm(place, token, together), range(SIMULTANEOUS)))
    winners = [body for status, body in answers if status == 200]
    losers = {(status, body.get("error")) for status, body in answers if status != 200}
    assert (len(winners), losers) == (1, {(400, "invalid_grant")})
    return winners[0]


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
