"""Read and write ``KEY=value`` lines, safe for ``eval`` and for every dotenv reader. PURE.

Refuses any value that would need quoting or escaping: one reader's escape is another reader's letter, and a shell
would run what a quote lets through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from authsvc.web.problems import ValidationFailed
from profiles.interchange.entries import read_entry
from profiles.interchange.store import Finding, FindingCode, ParsedEntry, ParsedStore, Severity
from profiles.providers import SETUP_TOKEN_PREFIX, Kind, env_name_for, provider_of_env_name
from profiles.references import profile_id_for


class UnsafeEnvironmentValue(ValidationFailed):
    """A value cannot stand in an environment file without quotes."""

    slug, title = "unsafe_environment_value", "Unsafe environment value"
    default_detail = "The value holds characters that an environment file cannot carry safely."
    default_hint = "Quotes, spaces and line ends are refused; store the credential again without them."


def parse_dotenv(text: str) -> ParsedStore:
    """Return an entry for every variable that upstream reads; other variables are named in findings only."""
    entries: dict[str, ParsedEntry] = {}
    findings: list[Finding] = []
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _read_line(number, line.strip()):
            if isinstance(found, Finding):
                findings.append(found)
            elif found.profile_id in entries:
                findings.append(_about(found.profile_id, FindingCode.SHADOWED, Severity.ERROR))
            else:
                entries[found.profile_id] = found
    return ParsedStore(entries=tuple(entries.values()), findings=tuple(findings))


def env_line(name: str, value: str) -> str:
    """Return ``NAME=value``; raise ``UnsafeEnvironmentValue`` unless every character is safe unquoted."""
    if not _NAME.fullmatch(name) or not _SAFE_VALUE.fullmatch(value):
        raise UnsafeEnvironmentValue
    return f"{name}={value}"


def _read_line(number: int, line: str) -> Sequence[Finding | ParsedEntry]:
    if not line or line.startswith("#"):
        return ()
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        detail = f"Line {number} is no assignment."
        return (Finding(None, FindingCode.MALFORMED_LINE, Severity.WARNING, detail),)
    known = provider_of_env_name(match["name"])
    if known is None:
        # The name stays out of the finding: a pasted secret that ends in "=" reads like a variable.
        detail = f"Line {number} sets a variable that no provider reads."
        return (Finding(None, FindingCode.UNKNOWN_VARIABLE, Severity.INFO, detail),)
    return _read_variable(*known, match["name"], match["value"].strip())


def _read_variable(provider: str, kind: Kind, name: str, written: str) -> Sequence[Finding | ParsedEntry]:
    profile_id = _profile_id(provider, name)
    value = _unquoted(written)
    if value is None:
        return (_about(profile_id, FindingCode.UNSAFE_VALUE, Severity.ERROR),)
    if not value:
        return (_about(profile_id, FindingCode.MISSING_CREDENTIAL, Severity.WARNING),)
    is_token = kind is Kind.TOKEN or value.startswith(SETUP_TOKEN_PREFIX)
    slot = ("token", "token") if is_token else ("api_key", "key")
    entry, findings = read_entry(profile_id, {"type": slot[0], "provider": provider, slot[1]: value})
    return (*findings, *(() if entry is None else (entry,)))


def _profile_id(provider: str, name: str) -> str:
    """Several variables of one provider may be set, so only its first variable for API keys gets the default name."""
    is_default = name == env_name_for(provider, Kind.API_KEY)
    return profile_id_for(provider, "" if is_default else name)


def _unquoted(written: str) -> str | None:
    quoted = _QUOTED.fullmatch(written)
    value = quoted["inside"] if quoted else re.sub(r"\s+#.*$", "", written)
    return value if not value or _SAFE_VALUE.fullmatch(value) else None


def _about(profile_id: str, code: FindingCode, severity: Severity) -> Finding:
    return Finding(profile_id, code, severity, _DETAILS[code])


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?P<value>.*)")
_QUOTED: Final = re.compile(r"(?P<quote>[\"'])(?P<inside>[^\"']*)(?P=quote)(?:\s+#.*)?")
_DETAILS: Final = {
    FindingCode.SHADOWED: "The variable is set twice.",
    FindingCode.UNSAFE_VALUE: "The value holds quotes, spaces or other characters that a shell would act on.",
    FindingCode.MISSING_CREDENTIAL: "The variable is empty.",
}
