"""Marks between the processes of one host: the next request on every worker knows of a change."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authsvc.audit import host_marks
from authsvc.audit.changes import current_changes
from authsvc.audit.host_marks import MARKS, NO_MARK, mark_of, move_mark
from authsvc.audit.models import AuditHead
from tests.live import LiveServer, start_live_server
from tests.world import World

TENANT = "ten_somebody"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Marks of this test alone."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    host_marks._marks_of.cache_clear()
    yield folder
    host_marks._marks_of.cache_clear()


def the_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_mark_moves_for_its_tenant_and_for_every_process(own_folder: Path) -> None:
    first, other = mark_of(TENANT), mark_of("ten_other")
    move_mark(TENANT)
    second = mark_of(TENANT)
    assert (second != first, mark_of("ten_other")) == (True, other)
    asked = f"print(open({str(the_file(own_folder))!r}, 'rb').read().count({second!r}))"
    shown = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "1"
    assert the_file(own_folder).stat().st_mode & 0o777 == 0o600
    assert the_file(own_folder).stat().st_size == MARKS * host_marks.BYTES


def test_count_is_asked_again_when_another_process_moved_the_mark(world: World) -> None:
    tenant_id = world.prod.caller().tenant_id
    before = current_changes(tenant_id)
    AuditHead.objects.filter(tenant_id=tenant_id).update(changes=before + 1)
    move_mark(tenant_id)
    assert current_changes(tenant_id) == before + 1


@pytest.mark.parametrize("instead", ["folder", "link"])
def test_file_that_is_not_plain_is_not_taken(own_folder: Path, instead: str) -> None:
    mark_of(TENANT)
    path = the_file(own_folder)
    path.unlink()
    host_marks._marks_of.cache_clear()
    if instead == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/passwd")
    assert mark_of(TENANT) == NO_MARK
    move_mark(TENANT)
    assert Path("/etc/passwd").stat().st_size > 0


def test_without_a_file_the_count_is_asked_for_by_time(
    world: World, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(own_folder / "missing"))
    host_marks._marks_of.cache_clear()
    tenant_id = world.prod.caller().tenant_id
    before = current_changes(tenant_id)
    assert mark_of(tenant_id) == NO_MARK
    AuditHead.objects.filter(tenant_id=tenant_id).update(changes=before + 1)
    deadline = time.monotonic() + 5
    while current_changes(tenant_id) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert current_changes(tenant_id) == before + 1


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a live server with four processes."""
    with start_live_server(tmp_path_factory.mktemp("marks"), workers=4) as server:
        yield server


def send(method: str, address: str, token: str, body: Any = None) -> tuple[int, Any]:
    """Return status and document of an answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, None


def test_next_request_on_every_worker_knows_of_a_revoke(four_workers: LiveServer) -> None:
    place: dict[str, Any] = four_workers.place("acme/prod")
    base = f"{four_workers.base_url}/api/v1"
    keys = f"{base}/service-accounts/{place['ids']['service_account']}/keys"
    with ThreadPoolExecutor(16) as threads:

        def seen_by_all(token: str) -> Counter[int]:
            return Counter(status for status, _ in threads.map(lambda _: send("GET", f"{base}/me", token), range(64)))

        for number in range(5):
            status, key = send("POST", keys, place["api_key"], {"name": f"marks-{number}"})
            assert status == 201
            assert seen_by_all(key["secret"]) == {200: 64}
            assert send("DELETE", f"{keys}/{key['id']}", place["api_key"], {"reason": "test"})[0] in {200, 204}
            assert seen_by_all(key["secret"]) == {401: 64}
