"""Group commit in a process of its own, with threads and real commits: run by ``test_together``; prints JSON.

``line``: many wait behind one slow unit. ``for ever``: writes until it is killed, and prints each unit once it is
answered. ``missing NAME…``: which of those are not in the chain.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authsvc.audit.ledger import Ledger
    from authsvc.web.caller import Caller

WAITING, SECONDS = 6, 30


def main(arguments: list[str]) -> int:
    """Do what the first word says."""
    import django

    django.setup()
    if arguments[0] == "line":
        print(json.dumps(line()))  # noqa: T201
    elif arguments[0] == "for ever":
        for_ever()
    else:
        print(json.dumps(missing(arguments[1:])))  # noqa: T201
    return 0


def line() -> dict[str, object]:
    """Hold the line with one unit until all others wait, and tell how those were written."""
    from authsvc.audit import together
    from authsvc.audit.models import AuditEvent
    from authsvc.audit.together import write_together
    from authsvc.web.problems import Conflict

    caller, leaders = _caller(), set[int]()
    started, go_on = threading.Event(), threading.Event()
    record = _recorder()

    def slow(ledger: Ledger) -> str:
        started.set()
        go_on.wait(SECONDS)
        return record(ledger, "slow")

    def ask(name: str) -> str:
        def work(ledger: Ledger) -> str:
            leaders.add(threading.get_ident())
            return record(ledger, name)

        try:
            answered = write_together(caller, _bad if name == "bad" else work)
        except Conflict as refusal:
            return type(refusal).__name__
        return answered if AuditEvent.objects.filter(subject_id=answered).exists() else "unseen"

    def _bad(ledger: Ledger) -> str:
        leaders.add(threading.get_ident())
        raise Conflict("no")

    with ThreadPoolExecutor(WAITING + 2) as pool:
        first = pool.submit(write_together, caller, slow)
        started.wait(SECONDS)
        others = [pool.submit(ask, name) for name in [*(f"waits {number}" for number in range(WAITING)), "bad"]]
        deadline = time.monotonic() + SECONDS
        while len(together._LINES._lines[caller.tenant_id].waiting) < WAITING + 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        go_on.set()
        found = [one.result(SECONDS) for one in others]
        first.result(SECONDS)
    return {
        "leaders": len(leaders),
        "answered": WAITING,
        "seen by another connection": len([name for name in found if name.startswith("waits")]),
        "failed": [name for name in found if not name.startswith("waits")],
        "intact": _is_intact(),
    }


def for_ever() -> None:
    """Write from several threads, printing each name once its unit is answered."""
    from authsvc.audit.together import write_together

    caller, record, printing = _caller(), _recorder(), threading.Lock()

    def work(thread: int) -> None:
        number = 0
        while True:
            number += 1
            name = f"{time.time_ns()} {thread} {number}."
            write_together(caller, partial(_noted, record, name))
            with printing:
                print(name, flush=True)  # noqa: T201

    for thread in range(WAITING):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    threading.Event().wait()


def missing(names: list[str]) -> dict[str, object]:
    """Return the names that are in no event."""
    from authsvc.audit.models import AuditEvent

    kept = set(AuditEvent.objects.filter(event_type="token.issued").values_list("subject_id", flat=True))
    return {"missing": [name for name in names if name not in kept], "intact": _is_intact()}


def _noted(record: Callable[[Ledger, str], str], name: str, ledger: Ledger) -> str:
    return record(ledger, name)


def _caller() -> Caller:
    from authsvc.tenants.models import Environment
    from authsvc.tenants.services import environment_caller, system_caller

    place = Environment.unscoped.select_related("tenant").get(tenant__slug="acme", name="prod")
    return environment_caller(system_caller(), place)


def _recorder() -> Callable[[Ledger, str], str]:
    caller = _caller()

    def record(ledger: Ledger, name: str) -> str:
        ledger.record(caller, "token.issued", subject_id=name, detail={"jti": name}, now=datetime.now(UTC))
        return name

    return record


def _is_intact() -> bool:
    from authsvc.audit.checkpoints import verify_tenant

    return verify_tenant(_caller().tenant_id).intact


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
