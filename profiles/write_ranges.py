"""Credential writes may be limited to address ranges (``AUTHSVC_CREDENTIAL_WRITE_CIDRS``); empty means anywhere."""

from __future__ import annotations

from django.conf import settings

from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import is_address_in
from authsvc.web.problems import Forbidden


class AddressNotAllowed(Forbidden):
    """Credentials may not be written from this address."""

    slug, title = "address_not_allowed", "Not from this address"
    default_detail = "Credentials may not be written from this address."


def require_write_address(caller: Caller) -> None:
    """Raise ``AddressNotAllowed`` when ranges are configured and the caller's address is in none of them."""
    ranges = settings.CREDENTIAL_WRITE_NETWORKS
    if ranges and caller.kind != CallerKind.COMMAND and not is_address_in(caller.address, ranges):
        raise AddressNotAllowed
