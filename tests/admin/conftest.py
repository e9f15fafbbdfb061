"""Operators of the demo, signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY

from authsvc.operators.models import Authenticator
from authsvc.operators.sealing import seal_factor_key
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import SHOWN_AT
from tests.world import World, new_client

SignedIn = Callable[[str], Client]


@pytest.fixture
def signed_in(world: World) -> SignedIn:
    """Return a function from an operator's name to a client signed in as them."""

    def client_of(username: str) -> Client:
        client = new_client()
        client.force_login(Operator.objects.get(username=username))
        return client

    return client_of


@pytest.fixture
def globex(signed_in: SignedIn) -> Client:
    """Return the owner of the other tenant."""
    return signed_in("globex")


@pytest.fixture
def acme(signed_in: SignedIn) -> Client:
    """Return the owner of the tenant the tests work in."""
    return signed_in("acme")


@pytest.fixture
def auditor(signed_in: SignedIn) -> Client:
    """Return the tenant's auditor, who may read and change nothing."""
    return signed_in("acme-auditor")


@pytest.fixture
def platform(signed_in: SignedIn) -> Client:
    """Return the platform operator, who sees every tenant."""
    return signed_in("platform")


def prove(client: Client) -> Client:
    """Give the signed-in operator a confirmed second factor that its session has just shown."""
    operator = Operator.objects.get(pk=client.session["_auth_user_id"])
    device, _ = Authenticator.objects.get_or_create(
        user=operator, confirmed=True, defaults={"name": "test", "sealed_key": seal_factor_key(operator.pk, b"k" * 20)}
    )
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session[SHOWN_AT] = datetime.now(UTC).timestamp()
    session.save()
    return client
