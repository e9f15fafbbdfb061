"""The samples of deploy/: readable, with names that exist, and with every identity field overwritten."""

from __future__ import annotations

import re

import pytest
import yaml

from authsvc.gate.forwarded import Contract
from authsvc.gate.identity import IDENTITY_FIELDS
from tests.live import ROOT

DEPLOY = ROOT / "deploy"
PROXIES = ["nginx/gateway.conf.template", "traefik/gateway.yml", "caddy/Caddyfile", "envoy/gateway.yaml"]
YAML = [
    "compose/compose.yaml",
    "compose/agentos.yaml",
    "kubernetes/authsvc.yaml",
    "traefik/gateway.yml",
    "envoy/gateway.yaml",
]
SETTING = re.compile(r"\b((?:AUTHSVC_[A-Z_]+|REDIS_URL|DATABASE_URL|API_RATE_LIMIT|SENSITIVE_RATE_LIMIT)(?:_FILE)?)\b")
NOT_SETTINGS = {"AUTHSVC_ADDRESS", "AUTHSVC_HOST"}  # placeholders of the nginx template


@pytest.mark.parametrize("name", YAML)
def test_sample_is_yaml(name: str) -> None:
    documents = list(yaml.safe_load_all((DEPLOY / name).read_text()))
    assert documents
    assert all(isinstance(document, dict) for document in documents)


@pytest.mark.parametrize("name", PROXIES)
def test_proxy_sample_sets_every_identity_field(name: str) -> None:
    text = (DEPLOY / name).read_text().lower()
    assert [field for field in IDENTITY_FIELDS if field.lower() not in text] == []


@pytest.mark.parametrize("name", PROXIES)
def test_proxy_sample_names_its_contract(name: str) -> None:
    text = (DEPLOY / name).read_text()
    named = re.search(r"\?contract=(\w+)", text)
    product = name.partition("/")[0]
    assert (Contract(named.group(1)) if named else Contract.ENVOY) is Contract(product)
    assert "forward-auth" in text or "${FORWARD_AUTH}" in text


def test_samples_and_guides_name_only_settings_that_are_read() -> None:
    settings = (ROOT / "authsvc" / "settings.py").read_text()
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and "gateway" not in path.relative_to(DEPLOY).parts]
    files += (ROOT / "docs" / "how-to").glob("*.md")
    files = [path for path in files if "__pycache__" not in path.parts]
    of_programs = names_of_gateway_programs()
    unknown = {
        f"{path.name}: {name}"
        for path in files
        for name in SETTING.findall(path.read_text())
        if name not in NOT_SETTINGS | of_programs and f'"{name.removesuffix("_FILE")}"' not in settings
    }
    assert unknown == set()


def test_gateway_programs_read_the_names_that_samples_give_them() -> None:
    assert names_of_gateway_programs() >= {"AUTHSVC_URL", "AUTHSVC_TOKEN_FILE", "AUTHSVC_CONFIG", "AUTHSVC_ISSUER"}
    assert "AUTHSVC_NOBODY_READS_THIS" not in names_of_gateway_programs()


def names_of_gateway_programs() -> set[str]:
    """Return the names that the programs for gateways' hosts read, from their code without comments."""
    programs = [path for path in (DEPLOY / "gateway").iterdir() if path.is_file()]
    code = [line for path in programs for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return {name for line in code for name in SETTING.findall(line)}
