"""Forms and answers that several admin pages share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from authsvc.tenants.admin_base import ShownOnce
from authsvc.tenants.admin_forms import lines
from authsvc.tenants.models import Environment
from authsvc.tokens.api_keys import IssuedKey
from rbac.scopes import AUTHSVC_ADMIN

MOST_CHOICES = 500
ONCE = "This is the only time it is shown. Copy it now; it cannot be shown again."


class ScopesText(forms.CharField):
    """Scopes, one a line or separated by spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false"}), strip=True, **options
        )

    def clean(self, value: Any) -> Any:
        """Return the scopes as a list."""
        return lines(super().clean(value))


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2, "cols": 60}))


class ConfirmText(forms.CharField):
    """Where a person repeats what makes an administrator; hidden until that is asked for."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=2000, label="Confirm", widget=forms.HiddenInput)

    def clean(self, value: Any) -> Any:
        """Return the words."""
        return lines(super().clean(value))


class NothingForm(forms.Form):
    """A plain confirmation."""


def shown_key(what: str, issued: IssuedKey, owner: str) -> ShownOnce:
    """Return the page that shows a fresh opaque proof once."""
    facts = {
        "Owner": owner,
        "Key id": issued.key.id,
        "Ends with": issued.key.last_four,
        "Expires": str(issued.key.expires_at or "never"),
    }
    return ShownOnce(f"{what} issued", ONCE, issued.text.reveal(), facts)


def administrates(scopes: Iterable[str]) -> bool:
    """True when one of these scopes is the right to everything in an environment."""
    return AUTHSVC_ADMIN in set(scopes)


def grouped(model: Any, environments: Iterable[Environment]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the newest rows of each environment as grouped choices."""
    groups = []
    for environment in environments:
        rows = model.objects.for_tenant(environment.tenant_id).filter(environment=environment)[:MOST_CHOICES]
        groups.append((str(environment), [(row.pk, str(row)) for row in rows]))
    return groups
