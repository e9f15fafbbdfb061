"""Redis goes away: requests are answered, at half the rate and never without one; the admin's login is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from authsvc.web.limit_store import bucket_store
from tests.servers import redis
from tests.world import Api, World

pytestmark = pytest.mark.redis


@pytest.fixture
def gone(settings: Any) -> Iterator[str]:
    """Configure a Redis that answered once and is gone now."""
    with redis() as url:
        settings.REDIS_URL, settings.AUTHSVC_DEMO_LIMITS, settings.API_RATE_LIMIT = url, "on", "6/min"
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}
        bucket_store.cache_clear()
        assert Api().get("/nothing").status_code == 404
    yield url
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    bucket_store.cache_clear()


def test_redis_gone_requests_pass_at_half_the_rate_and_never_more(world: World, gone: str) -> None:
    answers = [world.prod.api().get("/me") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert answers[0]["X-RateLimit-Limit"] == "3"


def test_redis_gone_admin_login_is_closed(world: World, gone: str) -> None:
    operator = world.document["operators"]["platform"]
    answer = Client().post("/admin/login/", operator)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert Client().get("/admin/login/").status_code == 200
