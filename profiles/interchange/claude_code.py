"""Read Claude Code's ``.credentials.json``, once: the file is imported, never mirrored. PURE.

With a refresh token it is a login, without one a token. Whoever imports a login becomes its only refresher; other
parts of the file (logins to other servers) are not taken.
"""

from __future__ import annotations

from typing import Final

from profiles.interchange.entries import read_entry
from profiles.interchange.store import Json, JsonObject, ParsedStore, is_object, unreadable
from profiles.references import profile_id_for

PROVIDER: Final = "anthropic"
DEFAULT_PROFILE_NAME: Final = "claude-code"


def parse_claude_code(document: Json, name: str = DEFAULT_PROFILE_NAME) -> ParsedStore:
    """Return the one credential as ``anthropic:name``; the expiry is in milliseconds there as well."""
    if not is_object(document) or not is_object(login := document.get("claudeAiOauth")):
        return unreadable("The file has no object named claudeAiOauth.")
    entry, findings = read_entry(profile_id_for(PROVIDER, name), _record(login))
    return ParsedStore(entries=() if entry is None else (entry,), findings=findings)


def _record(login: JsonObject) -> Json:
    kept = {field: value for field, value in login.items() if field not in _RENAMED}
    expiry = {"expires": login["expiresAt"]} if "expiresAt" in login else {}
    common = {**kept, **expiry, "provider": PROVIDER}
    if login.get("refreshToken"):
        return {**common, "type": "oauth", "access": login.get("accessToken"), "refresh": login["refreshToken"]}
    return {**common, "type": "token", "token": login.get("accessToken")}


_RENAMED: Final = frozenset({"accessToken", "refreshToken", "expiresAt"})
