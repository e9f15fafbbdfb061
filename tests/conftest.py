"""Fixtures everybody uses: the demo world, made once per worker, and a live server for tests over real HTTP."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from django.core.cache import cache

from authsvc.audit.changes import forget_everything
from authsvc.web.limit_store import bucket_store
from tests.live import LiveServer, start_live_server
from tests.world import World

_made: list[World] = []


def pytest_configure() -> None:
    """Look for no garbage in what is collected: eight thousand tests stay until the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, and not in what was collected."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test and report how it ended: that it could begin and was cleared up is reported only where it was not.

    A report that passes from process to process takes as long as a short test.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.passed:
            report.sections, report.keywords = [], {}
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Make the demo world in the fresh test database; each test's changes are rolled back."""
    from authsvc.management.demo import demo_document
    from authsvc.tenants.services import system_caller

    now = datetime.now(UTC)
    with django_db_blocker.unblock():
        document, _ = demo_document(system_caller(), now=now)
    _made.append(World(document, now))


@pytest.fixture
def world(db: None) -> World:
    """Return the demo world."""
    return _made[0]


@pytest.fixture
def now() -> datetime:
    """Return the time of this test, read once."""
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    yield
    cache.clear()
    bucket_store.cache_clear()
    forget_everything()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a real gunicorn with two processes, a database of its own, and the demo."""
    with start_live_server(tmp_path_factory.mktemp("live")) as server:
        yield server
