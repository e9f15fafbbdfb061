"""Real processes count together: a burst passes exactly the limit, whichever process answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import start_live_server
from tests.scale import scaled
from tests.servers import redis

LIMIT, INTERVAL_SECONDS = 6, 10
PROCESSES, THREADS, REQUESTS = scaled(2, 4), 8, scaled(16, 2000)
KINDS = ["database", "redis"][: scaled(1, 2)]


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Yield the settings that choose where processes count together."""
    if request.param == "database":
        yield {}
        return
    with redis() as url:
        yield {"REDIS_URL": url}


@pytest.mark.parametrize("shared", KINDS, indirect=True)
def test_processes_pass_exactly_the_limit_and_what_refilled_meanwhile(tmp_path: Path, shared: dict[str, str]) -> None:
    settings: dict[str, Any] = {"AUTHSVC_DEMO_LIMITS": "on", "API_RATE_LIMIT": f"{LIMIT}/min", **shared}
    with (
        start_live_server(tmp_path, workers=PROCESSES, **settings) as live,
        ThreadPoolExecutor(PROCESSES * THREADS) as pool,
        httpx.Client(limits=httpx.Limits(max_connections=PROCESSES * THREADS), timeout=30) as client,
    ):
        started = time.monotonic()
        answers = list(pool.map(lambda _: client.get(f"{live.base_url}/api/v1/me"), range(REQUESTS)))
        refilled = int((time.monotonic() - started) / INTERVAL_SECONDS)
    passed = [answer for answer in answers if answer.status_code == 401]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert LIMIT <= len(passed) <= LIMIT + refilled  # a bucket full at first, and nothing but time fills it
    # Requests that overtake each other between reading the clock and taking may name one less than is left, never more.
    remaining = sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in passed)
    assert all(named <= place + refilled for place, named in enumerate(remaining))
