"""The token endpoint with every grant type. Grant types register when imported; whoever opens a door to the endpoint
takes it from here, so that none answers before all are there.
"""

from __future__ import annotations

from authsvc.gate import device_flow, exchange, refresh_grant  # noqa: F401 - they register their grant types
from authsvc.gate.token import NOT_KEPT, token_document, token_endpoint

__all__ = ["NOT_KEPT", "token_document", "token_endpoint"]
