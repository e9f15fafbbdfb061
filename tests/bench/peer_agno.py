"""agno's JWT middleware before one route, as AgentOS mounts it. ``BENCH_PEM`` and ``BENCH_AUDIENCE`` as for Django."""

import os
from pathlib import Path

from agno.os.middleware import JWTMiddleware  # type: ignore[attr-defined]  # AgentOS imports it so
from fastapi import FastAPI

app = FastAPI()
app.add_middleware(
    JWTMiddleware,
    verification_keys=[Path(os.environ["BENCH_PEM"]).read_text()],
    algorithm="RS256",
    authorization=True,
    verify_audience=True,
    audience=os.environ["BENCH_AUDIENCE"],
    scope_mappings={"GET /guarded": ["agents:read"]},
)


@app.get("/guarded")
async def guarded() -> dict[str, bool]:
    """Answer whom the middleware lets through."""
    return {"ok": True}
