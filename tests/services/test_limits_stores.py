"""Every store counts exactly, also from four processes with eight threads each, and none is ever without a limit."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authsvc.web.limit_store import BucketStore, CarefulStore, MemoryStore, StoreUnavailable
from authsvc.web.limit_store_redis import RedisStore
from authsvc.web.limit_store_sql import SqliteFile, SqlStore, execute_in_database
from authsvc.web.token_bucket import Rate, Verdict
from tests.scale import scaled
from tests.servers import redis

SLOW = Rate(50, 50 * 86_400)  # refills once a day: no run lasts long enough for one request more
PROCESSES, THREADS, REQUESTS = 4, 8, scaled(400, 64_000)
SECONDS_FOR_ALL = scaled(60, 900)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, db: None) -> BucketStore:
    stores: dict[str, Callable[[], BucketStore]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SqlStore(SqliteFile(tmp_path / "limits")),
        "redis": lambda: RedisStore(redis_url),
        "database": lambda: SqlStore(execute_in_database),
    }
    return stores[request.param]()


def now() -> int:
    return time.time_ns() // 1000


def test_store_burst_allows_exactly_the_limit_counting_down(store: BucketStore) -> None:
    verdicts = [store.take("burst", Rate(5, 3600), now=now()) for _ in range(7)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False] * 2
    assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, 0, 0, 0]
    assert 700 <= verdicts[-1].retry_after_seconds <= 720


def test_store_keys_do_not_share_a_bucket(store: BucketStore) -> None:
    rate = Rate(1, 3600)
    assert [store.take(key, rate, now=now()).allowed for key in ("a", "b", "a", "b")] == [True, True, False, False]


def test_request_given_back_can_be_taken_again(store: BucketStore) -> None:
    rate = Rate(2, 86_400)
    assert [store.take("k", rate, now=now()).allowed for _ in range(3)] == [True, True, False]
    store.give_back("k", rate)
    store.give_back("never taken", rate)
    assert [store.take("k", rate, now=now()).allowed for _ in range(2)] == [True, False]


def test_sql_store_refills_by_the_clock(tmp_path: Path) -> None:
    store, rate, start = SqlStore(SqliteFile(tmp_path / "limits")), Rate(100), now()
    assert all(store.take("k", rate, now=start).allowed for _ in range(100))
    assert not store.take("k", rate, now=start).allowed
    assert store.take("k", rate, now=start + 600_000).allowed
    assert not store.take("k", rate, now=start + 600_000).allowed


def test_sql_store_after_a_clock_set_back_is_not_stuck(tmp_path: Path) -> None:
    store, rate, start = SqlStore(SqliteFile(tmp_path / "limits")), Rate(1), now()
    assert store.take("k", rate, now=start).allowed
    assert store.take("k", rate, now=start - 3_600_000_000).allowed


def count_allowed(make: Callable[[str], BucketStore], place: str, result: multiprocessing.Queue) -> None:
    store = make(place)

    def ask(_number: int) -> bool:
        return store.take("shared", SLOW, now=now()).allowed

    with ThreadPoolExecutor(THREADS) as pool:
        result.put(sum(pool.map(ask, range(REQUESTS // PROCESSES))))


def sqlite_store(place: str) -> BucketStore:
    return SqlStore(SqliteFile(Path(place)))


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_four_processes_of_eight_threads_pass_exactly_the_limit(kind: str, tmp_path: Path, redis_url: str) -> None:
    make, place = (sqlite_store, str(tmp_path / "limits")) if kind == "sqlite" else (RedisStore, redis_url)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    result: multiprocessing.Queue = context.Queue()
    workers = [context.Process(target=count_allowed, args=(make, place, result)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    counts = [result.get(timeout=SECONDS_FOR_ALL) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert sum(counts) == SLOW.limit
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES


class Away:
    """A store that is away until told otherwise."""

    def __init__(self) -> None:
        self.is_away = True
        self.asked = 0

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable
        return Verdict(True, rate, rate.limit - 1, 0)

    def give_back(self, key: str, rate: Rate) -> None:
        if self.is_away:
            raise StoreUnavailable


def test_store_away_counts_at_half_the_rate_and_asks_again_after_five_seconds() -> None:
    shared, start = Away(), now()
    store = CarefulStore(shared)
    verdicts = [store.take("k", Rate(10), now=start) for _ in range(7)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False] * 2
    assert shared.asked == 1
    store.give_back("k", Rate(10))  # stays counted, and fails nobody
    shared.is_away = False
    assert store.take("k", Rate(10), now=start + 5_000_000).remaining == 9


def test_memory_store_forgets_the_least_used_and_stays_small() -> None:
    store, start = MemoryStore(maximum_keys=100), now()
    for _ in range(5):
        store.take("busy", Rate(5), now=start)
    for number in range(1000):
        store.take(f"once-{number}", Rate(5), now=start)
    assert len(store) <= 100
    assert not store.take("busy", Rate(5), now=start).allowed


def test_sql_store_unwritable_folder_is_unavailable(tmp_path: Path) -> None:
    store = SqlStore(SqliteFile(tmp_path / "missing" / "limits"))
    with pytest.raises(StoreUnavailable):
        store.take("k", Rate(1), now=now())
