"""How long the first page of each large list of the admin takes, as the platform's operator and as one tenant's.

Run as a program against the database of the server that is measured: ``python -m tests.bench.admin_lists`` prints
milliseconds of processor and database time by page as JSON, the best of five.
"""

from __future__ import annotations

import json
import os
import time

PAGES = ("devices/device", "profiles/profile", "rbac/grant", "authsvc/apikey", "authsvc/auditevent")
OPERATORS = ("platform", "acme")
TIMES = 5


def milliseconds() -> dict[str, float]:
    """Return the best of several times of each page, by operator and page; raises when a page is not shown."""
    from django.test import Client

    from authsvc.tenants.models import Operator

    found = {}
    for name in OPERATORS:
        client = Client(HTTP_HOST="127.0.0.1")
        client.force_login(Operator.objects.get(username=name))
        for page in PAGES:
            address = f"/admin/{page}/"
            found[f"{name} {page}"] = min(_one(client, address) for _ in range(TIMES))
    return found


def _one(client: object, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)  # type: ignore[attr-defined]  # Django's test client
    took = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{address}: {answer.status_code}")
    return round(took, 1)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")
    import django

    django.setup()
    print(json.dumps(milliseconds()))  # noqa: T201
