"""Two real processes count together: a burst passes exactly the limit, whichever process answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.live import start_live_server


def test_two_processes_without_redis_pass_exactly_the_limit(tmp_path: Path) -> None:
    settings = {"AUTHSVC_DEMO_LIMITS": "on", "API_RATE_LIMIT": "6/min"}
    with start_live_server(tmp_path, workers=2, **settings) as live, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.get(f"{live.base_url}/api/v1/me"), range(16)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * 6 + [429] * 10
    assert sorted(answer.headers["X-RateLimit-Remaining"] for answer in answers if answer.status_code == 401) == [
        "0", "1", "2", "3", "4", "5",
    ]  # fmt: skip
