"""Forms of the admin: the choice of an environment, choices filled when shown, and a problem shown at its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast, runtime_checkable

from django import forms

from authsvc.tenants.models import Environment
from authsvc.web.problems import Problem


@runtime_checkable
class ChoosesRow(Protocol):
    """A form whose choice of a row says in which environment it acts."""

    def fill(self, environments: list[Environment]) -> None:
        """Fill the choices from these environments."""
        ...

    def place_id(self) -> str:
        """Return the id of the environment of the chosen row."""
        ...


def offer(form: forms.Form, field: str, choices: Any) -> None:
    """Set the choices of a field that is filled when the form is shown."""
    cast(forms.ChoiceField, form.fields[field]).choices = choices


def add_environment_field(form: forms.Form, choices: Mapping[str, Environment], chosen: str) -> None:
    """Put the choice of environment first in the form."""
    field = forms.ChoiceField(
        choices=[(key, str(row)) for key, row in choices.items()], initial=chosen, label="Tenant and environment"
    )
    form.fields = {"environment": field, **form.fields}


def show_problem(form: forms.Form, problem: Problem) -> None:
    """Show a problem's field errors at their fields, and the rest above the form."""
    shown = False
    for name, errors in problem.errors.items():
        if name in form.fields:
            form.fields[name].widget = _seen(form.fields[name])
            form.add_error(name, list(errors))
            shown = True
        else:
            form.add_error(None, [f"{name}: {error}" for error in errors])
            shown = True
    if not shown:
        form.add_error(None, problem.detail)


def _seen(field: forms.Field) -> forms.Widget:
    """Return a field's widget; one that waited hidden for its question is shown now."""
    return forms.TextInput(attrs={"size": 40, "autocomplete": "off"}) if field.widget.is_hidden else field.widget


def lines(text: str) -> list[str]:
    """Return the words of a text area, split at white space and commas."""
    return text.replace(",", " ").split()
