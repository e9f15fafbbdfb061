"""Read the files that came before profiles: ``auth.json`` and ``credentials/oauth.json``, maps by provider. PURE.

Every credential becomes ``provider:default``. Refuses a profile store under the wrong name.
"""

from __future__ import annotations

from profiles.interchange.coercion import with_provider
from profiles.interchange.openclaw import read_entries
from profiles.interchange.store import Json, ParsedStore, is_object, unreadable
from profiles.references import profile_id_for


def parse_legacy_auth(document: Json) -> ParsedStore:
    """Return the entries of an agent's ``auth.json``."""
    if not is_object(document) or "profiles" in document:
        return unreadable("The file is not a map from providers to credentials.")
    profiles = [(profile_id_for(name, ""), with_provider(raw, name)) for name, raw in document.items()]
    entries, findings = read_entries(profiles)
    return ParsedStore(entries=entries, findings=findings)


def parse_oauth_file(document: Json) -> ParsedStore:
    """Return the logins of ``credentials/oauth.json``, whose records do not say that they are logins."""
    if not is_object(document):
        return unreadable("The file is not a map from providers to logins.")
    return parse_legacy_auth({name: _as_login(raw) for name, raw in document.items()})


def _as_login(raw: Json) -> Json:
    return {"type": "oauth", **raw} if is_object(raw) else raw
