"""The agents: replace this file by your own."""

import os
from typing import Any

from agno.agent import Agent
from agno.models.anthropic import Claude


def make_agents(db: Any) -> list[Agent]:
    """Return two agents that share a model and the database."""
    model = Claude(id=os.environ["AGENTOS_MODEL"])
    names = {"agent-1": "Researcher", "agent-2": "Writer"}
    return [Agent(id=key, name=name, model=model, db=db, telemetry=False) for key, name in names.items()]
