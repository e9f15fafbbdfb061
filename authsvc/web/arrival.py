"""How long a request has waited at this host: for a free thread, a lock or a busy processor.

The kernel knows how long ago the last byte of the request came in (``TCP_INFO``, Linux); gunicorn hands us the socket.
The kernel counts in ticks of up to 10 ms, so one tick is given away: a request never looks older than it is. Where
there is no such socket (a unix socket, another server, a test) nothing is known, and that counts as no wait.
"""

from __future__ import annotations

import socket
import struct
from datetime import timedelta

from django.http import HttpRequest

TICK_MILLISECONDS = 10
_TCP_INFO = struct.Struct("=8x12I")  # Linux, include/uapi/linux/tcp.h
_LAST_DATA_RECEIVED = 11


def waited(request: HttpRequest) -> timedelta:
    """Return how long ago the request had arrived, never more than it is; read the clock after this, not before."""
    connection = request.META.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return timedelta(0)
    return timedelta(milliseconds=max(0, _milliseconds_since_data(connection) - TICK_MILLISECONDS))


def _milliseconds_since_data(connection: socket.socket) -> int:
    try:
        fields = _TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
    except (AttributeError, OSError, struct.error):  # not TCP, or not Linux
        return 0
    return int(fields[_LAST_DATA_RECEIVED])
