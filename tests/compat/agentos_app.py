"""An unmodified AgentOS with three agents, served on loopback ports: the program the compatibility tests start.

It runs under whichever agno its interpreter has (3.1 or 2.9) and imports nothing of this project. Each line it reads is
JSON: ``{log, systems}``, the systems a list of ``{port, jwks_file, issuer, audience, algorithm}``, one AgentOS each.
They are made and served in a process forked for this line, whose id is the answer: agno is imported once, which is
nearly all a start costs. Nothing here opens a connection: the model answers by itself and telemetry is off.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS

AGENTS = ("agent-1", "agent-2", "agent-3")


def fork_each() -> None:
    """Fork a serving process for each line of the input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ended is gone at once: nobody waits for it here
    for line in sys.stdin:
        order = json.loads(line)
        forked = os.fork()
        if forked == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            asyncio.run(serve(order["systems"]))
            sys.exit()
        sys.stdout.write(f"{forked}\n")
        sys.stdout.flush()


async def serve(systems: list[dict[str, Any]]) -> None:
    """Serve every AgentOS until the process is ended."""
    servers = [
        uvicorn.Server(uvicorn.Config(build_app(system), host="127.0.0.1", port=system["port"], log_level="warning"))
        for system in systems
    ]
    await asyncio.gather(*(server.serve() for server in servers))


def build_app(system: dict[str, Any]) -> Any:
    """Return the web application of one AgentOS, set up as our how-to page says."""
    return AgentOS(
        id=system["audience"], agents=make_agents(*AGENTS), telemetry=False, **authorization(system)
    ).get_app()


def make_agents(*names: str) -> list[Any]:
    """Return agents that need no network."""
    return [
        Agent(id=name, name=name, model=EchoModel(id="echo", name="echo", provider="tests"), telemetry=False)
        for name in names
    ]


def authorization(system: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that make AgentOS check our tokens; 2.9 knows ``AuthorizationConfig`` and no issuer."""
    checks = {
        "jwks_file": system["jwks_file"],
        "algorithm": system["algorithm"],
        "verify_audience": True,
        "audience": system["audience"],
    }
    try:
        from agno.os import Authorization
    except ImportError:
        from agno.os.config import AuthorizationConfig

        return {"authorization": True, "authorization_config": AuthorizationConfig(**checks)}
    return {"authorization": Authorization(issuer=system["issuer"], **checks)}


class EchoModel(Model):
    """A model that needs no network: it answers the same words to everything."""

    def invoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer."""
        return ModelResponse(role="assistant", content="heard")

    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer."""
        return self.invoke()

    def invoke_stream(self, *args: Any, **kwargs: Any) -> Iterator[ModelResponse]:
        """Answer in one piece."""
        yield self.invoke()

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        """Answer in one piece."""
        yield self.invoke()

    def _parse_provider_response(self, response: Any, **kwargs: Any) -> ModelResponse:
        return self.invoke()

    def _parse_provider_response_delta(self, response: Any) -> ModelResponse:
        return self.invoke()


if __name__ == "__main__":
    fork_each()
