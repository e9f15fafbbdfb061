"""A revoked device: every way in of it closes on every worker within one second of the revoke's answer."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.scale import scaled
from tests.services.test_revocation_live import AFTER_SECONDS, BOUND_SECONDS, Subject, subject

__all__ = ["subject"]  # the fixture: a live server with four workers

DEVICES = scaled(1, 50)
REFUSALS = {"access": {401}, "forward-auth": {401}, "authenticate": {401, 403, 429}, "refresh": {400}}


class LiveDevice:
    """One approved device and everything it can do: call us, pass to its gateway, prove itself, refresh."""

    def __init__(self, subject: Subject) -> None:
        self.subject, place = subject, subject.place
        made = subject.ask(
            "POST", "/devices", {"name": "Live", "device_type": "cli", "requested_scopes": ["status:read"]}
        )
        self.id, self.secret = made["id"], made["secret"]
        subject.ask("POST", f"/devices/{self.id}/approve", {"user_code": made["user_code"]})
        at_gateway = {"principal_id": self.id, "role_id": subject.agents, "gateway_id": place["gateway"]["id"]}
        subject.ask("POST", "/grants", at_gateway)
        proven = subject.ask("POST", f"/devices/{self.id}/authenticate", {"secret": self.secret})
        self.access, self.refresh_token = proven["access_token"], proven["refresh_token"]
        status, exchanged = subject.grant_of(
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=self.secret,
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
            audience=place["gateway"]["audience"],
        )
        assert status == 200, exchanged
        self.at_gateway = exchanged["access_token"]

    def ways(self) -> dict[str, Callable[[], int]]:
        """Return each way in by its name; a call returns the status."""
        forward = (
            f"{urlsplit(self.subject.place['issuer']).path}/gateways/{self.subject.place['gateway']['id']}/forward-auth"
        )
        bearer = {"Authorization": f"Bearer {self.at_gateway}"}
        proof = {"secret": self.secret}
        return {
            "access": lambda: self.subject.send("GET", "/me", self.access)[0],
            "forward-auth": lambda: self.subject.call("GET", forward, bearer)[0],
            "authenticate": lambda: self.subject.send("POST", f"/devices/{self.id}/authenticate", self.access, proof)[
                0
            ],
            "refresh": self.refresh,
        }

    def refresh(self) -> int:
        """Spend the refresh token at hand and keep its child."""
        status, answer = self.subject.grant_of(grant_type="refresh_token", refresh_token=self.refresh_token)
        self.refresh_token = answer.get("refresh_token", self.refresh_token)
        return status


class Ways:
    """Every way in of one device, tried by threads of its own until it is over; when each accepted try started."""

    def __init__(self, device: LiveDevice) -> None:
        self.ways = device.ways()
        self.accepted: dict[str, list[float]] = {name: [] for name in self.ways}
        self.refused: dict[str, set[int]] = {name: set() for name in self.ways}
        self.over = threading.Event()
        names = [*self.ways, "access", "access", "forward-auth", "forward-auth"]  # a refresh chain has one thread
        self.threads = [threading.Thread(target=self.work, args=[name]) for name in names]

    def __enter__(self) -> Ways:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def work(self, name: str) -> None:
        while not self.over.is_set():
            started = time.monotonic()
            status = self.ways[name]()
            self.accepted[name].append(started) if status == 200 else self.refused[name].add(status)

    def wait_until_all_pass(self) -> None:
        """Wait until each way let the device in; fails after ten seconds."""
        deadline = time.monotonic() + 10
        while not all(self.accepted.values()):
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.02)


def test_revoked_device_is_refused_every_way_in_within_a_second(subject: Subject) -> None:
    late: dict[str, float] = {}
    for _ in range(DEVICES):
        device = LiveDevice(subject)
        with Ways(device) as ways:
            ways.wait_until_all_pass()
            subject.ask("POST", f"/devices/{device.id}/revoke", {"reason": "lost"})
            returned = time.monotonic()
            time.sleep(AFTER_SECONDS)
        assert {name: seen - REFUSALS[name] for name, seen in ways.refused.items()} == {
            name: set() for name in REFUSALS
        }
        assert all(ways.refused.values())
        for name, starts in ways.accepted.items():
            late[name] = max(late.get(name, 0.0), max(starts) - returned)
    told = ", ".join(f"{name} {seconds:+.2f} s" for name, seconds in late.items())
    sys.stdout.write(f"\n{DEVICES} of {DEVICES} refused; last accepted start after the revoke answered: {told}\n")
    assert max(late.values()) <= BOUND_SECONDS
