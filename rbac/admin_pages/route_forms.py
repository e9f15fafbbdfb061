"""The forms of a gateway's routes: one for each rule, one for what holds for the rest, and a question.

A row is what was typed, as text: rows move, go and come without being checked, so that nothing typed is lost. Only
saving and asking check them. A row without pattern and scopes is empty and stands for no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from django import forms
from django.http import QueryDict

from authsvc.tenants.admin_forms import lines
from authsvc.web.problems import Problem
from rbac.models import Gateway
from rbac.routes import MAX_PATH_LENGTH, RouteRule
from rbac.scopes import InvalidScope, parse
from rbac.services.routes import default_rules

Row = Mapping[str, str]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
TRUST = [(0, "0 any"), (1, "1 basic"), (2, "2 verified"), (3, "3 trusted")]
UNMAPPED = [
    ("deny", "Refuse it: only what a rule names passes, and a path nobody thought of stays closed."),
    ("allow", "Let it pass with any good token for this gateway, whatever its scopes: what AgentOS itself does."),
]
FIELDS = ("method", "pattern", "scopes", "minimum_trust")
EMPTY: Row = {"method": "GET", "pattern": "", "scopes": "", "minimum_trust": "0"}
MOST_ROWS = 200  # a form carries a thousand fields at most, and a row has four
MORE_ROWS = 3
PLAIN = {"spellcheck": "false", "autocomplete": "off"}


class RuleForm(forms.Form):
    """One rule: which requests it is about, and what they need."""

    use_required_attribute = False  # an empty row must not keep a browser from sending the others
    method = forms.ChoiceField()
    pattern = forms.CharField(max_length=2000, widget=forms.TextInput(attrs=PLAIN))
    scopes = forms.CharField(required=False, max_length=4000, widget=forms.TextInput(attrs=PLAIN))
    minimum_trust = forms.TypedChoiceField(choices=TRUST, coerce=int)

    def __init__(self, typed: Row, *, number: int, methods: Iterable[str], is_checked: bool) -> None:
        super().__init__(typed if is_checked else None, initial=dict(typed), auto_id=f"id_rule_{number}_%s")
        self.fields["method"] = forms.ChoiceField(choices=[(name, name) for name in methods])
        for name, field in self.fields.items():
            field.widget.attrs["aria-label"] = f"{name.replace('_', ' ').capitalize()} of rule {number}"

    def clean_pattern(self) -> str:
        """Return the pattern; what is wrong with it is said here and not above the form."""
        pattern: str = self.cleaned_data["pattern"]
        try:
            RouteRule("GET", pattern)
        except Problem as problem:
            raise forms.ValidationError(problem.detail.removeprefix("GET ")) from problem
        return pattern

    def clean_scopes(self) -> list[str]:
        """Return the scopes."""
        scopes = lines(self.cleaned_data["scopes"])
        try:
            for scope in scopes:
                parse(scope)
        except InvalidScope as problem:
            raise forms.ValidationError(problem.detail) from problem
        return scopes

    def clean(self) -> dict[str, Any]:
        """A public rule asks for no trust."""
        cleaned = {**(super().clean() or {})}
        if not self.errors and cleaned["minimum_trust"] and not cleaned["scopes"]:
            self.add_error("minimum_trust", "Without scopes the rule is public, and a public rule asks for no trust.")
        return cleaned


class RestForm(forms.Form):
    """What happens to a request that no rule names."""

    unmapped = forms.ChoiceField(choices=UNMAPPED, widget=forms.RadioSelect, label="A request that no rule names")


class QuestionForm(forms.Form):
    """A request to ask about."""

    use_required_attribute = False  # the rules are saved without a question
    asked_method = forms.ChoiceField(label="Method")
    asked_path = forms.CharField(
        label="Path",
        max_length=MAX_PATH_LENGTH,
        strip=False,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="As the client sends it, without the part from ? on, e.g. /agents/agent-1/runs.",
    )

    def __init__(self, typed: Mapping[str, str], *, is_asked: bool, methods: Iterable[str]) -> None:
        super().__init__(typed if is_asked else None, initial=dict(typed))
        self.fields["asked_method"] = forms.ChoiceField(label="Method", choices=[(name, name) for name in methods])

    def clean_asked_path(self) -> str:
        """Return the path; one that is only pasted wrongly is a mistake here, and no answer about the rules."""
        path: str = self.cleaned_data["asked_path"]
        if not path.startswith("/") or "?" in path or "#" in path:
            raise forms.ValidationError("A path starts with / and ends before ? and #.")
        return path


def methods_of(rows: Iterable[Row]) -> list[str]:
    """Return the methods to choose from: the usual ones, and those that rules have already."""
    return list(dict.fromkeys([*METHODS, *(row["method"] for row in rows)]))


def stored_rows(gateway: Gateway) -> list[Row]:
    """Return the gateway's own rules as they would be typed."""
    return [
        {
            "method": rule["method"],
            "pattern": rule["pattern"],
            "scopes": " ".join(rule["scopes"]),
            "minimum_trust": str(rule["minimum_trust"]),
        }
        for rule in gateway.routes
    ]


def default_rows(gateway: Gateway) -> list[dict[str, object]]:
    """Return the rules a gateway of this kind starts with, as its own are stored."""
    return [
        {"method": rule.method, "pattern": rule.pattern, "scopes": rule.required_scopes, "minimum_trust": 0}
        for rule in default_rules(gateway)
    ]


def typed_rows(sent: QueryDict) -> list[Row]:
    """Return the rows of a form; a column cut short leaves holes, which are mistakes and not fewer rules."""
    columns = zip_longest(*(sent.getlist(name) for name in FIELDS), fillvalue="")
    return [dict(zip(FIELDS, texts, strict=True)) for texts in columns]


def is_empty(row: Row) -> bool:
    """True for a row that stands for no rule."""
    return not row["pattern"].strip() and not row["scopes"].strip()


def rearranged(rows: Sequence[Row], sent: QueryDict) -> tuple[list[Row], int]:
    """Return the rows after the button that was pressed, and where a moved row is now; -1 when none was moved."""
    changed = list(rows)
    if "more" in sent and len(rows) + MORE_ROWS <= MOST_ROWS:
        return changed + [EMPTY] * MORE_ROWS, -1
    for name, step in (("up", -1), ("down", 1), ("remove", 0)):
        text = sent.get(name, "")
        place = next((number for number in range(len(rows)) if str(number) == text), None)
        if place is None:
            continue
        row, goal = changed.pop(place), max(0, min(place + step, len(rows) - 1))
        if step:
            changed.insert(goal, row)
        return changed, goal if step else -1
    return changed, -1
