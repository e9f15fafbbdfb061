"""Credential writes may be limited to address ranges (``AUTHSVC_CREDENTIAL_WRITE_CIDRS``); empty means anywhere.

``loopback`` stands for this machine. The address is the socket's, or what a trusted proxy says; a peer on a unix socket
has none and may write only behind a trusted proxy that names one. Commands run on the machine itself.
"""

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
    is_limited = bool(settings.AUTHSVC_CREDENTIAL_WRITE_CIDRS)  # also by a range that cannot be read: then to nobody
    if not is_limited or caller.kind == CallerKind.COMMAND:
        return
    if not is_address_in(caller.address, settings.CREDENTIAL_WRITE_NETWORKS):
        raise AddressNotAllowed
