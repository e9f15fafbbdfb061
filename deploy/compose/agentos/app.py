"""An AgentOS that trusts authsvc: PostgreSQL behind it, browsers of listed origins, tokens checked in every respect."""

import os
from pathlib import Path

from agno.db.postgres import PostgresDb
from agno.os import AgentOS, Authorization
from research import make_agents
from sqlalchemy import create_engine, make_url

address = make_url(os.environ["AGENTOS_DATABASE_URL"])
if "AGENTOS_DATABASE_PASSWORD_FILE" in os.environ:
    password = Path(os.environ["AGENTOS_DATABASE_PASSWORD_FILE"]).read_text(encoding="utf-8").strip()
    address = address.set(password=password)
db = PostgresDb(id="agentos", db_engine=create_engine(address, pool_pre_ping=True))

agent_os = AgentOS(
    id=os.environ["AGENTOS_AUDIENCE"],
    agents=make_agents(db),
    db=db,
    cors_allowed_origins=os.environ["AGENTOS_ORIGINS"].split(","),
    telemetry=False,  # on by default
    authorization=Authorization(
        jwks_file=os.environ["AGENTOS_JWKS_FILE"],
        algorithm="RS256",
        audience=os.environ["AGENTOS_AUDIENCE"],
        verify_audience=True,  # off by default, also when an audience is given
        issuer=os.environ["AGENTOS_ISSUER"],
    ),
)
app = agent_os.get_app()
