"""Metrics: listed addresses only, the text Prometheus reads, and no tenant's name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from authsvc.settings import networks
from tests.world import World

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[a-z0-9_-]+"\})? [0-9.e+]+')


def test_loopback_reads_every_metric_in_the_exposition_format(world: World) -> None:
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.content.decode().splitlines()
    samples = [line for line in lines if not line.startswith("# ")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert "authsvc_ready 1" in samples
    assert 'authsvc_tenants{state="active"} 2' in samples
    assert 'authsvc_api_keys{kind="gateway_token"} 4' in samples


def test_no_name_of_a_tenant_or_row_is_shown(world: World) -> None:
    text = Client().get("/metrics").content.decode()
    hidden = ["acme", "globex", world.prod.marker, world.prod.client_id, world.prod.gateway["id"]]
    assert not [name for name in hidden if name in text]


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "", "2001:db8::1"])
def test_other_addresses_are_403_whatever_a_header_says(world: World, peer: str) -> None:
    answer = Client(REMOTE_ADDR=peer).get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "metrics_not_from_here")


def test_listed_range_reads_them(world: World, settings: Any) -> None:
    settings.METRICS_NETWORKS = networks(["10.0.0.0/8"])
    assert Client(REMOTE_ADDR="10.1.2.3").get("/metrics").status_code == 200
    assert Client().get("/metrics").status_code == 403


def test_other_methods_are_405(world: World) -> None:
    assert Client().post("/metrics").status_code == 405
