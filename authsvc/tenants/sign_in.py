"""Signing in to the admin: who did, and who tried with a wrong password, stands in the platform's audit.

A name nobody has leaves no row, so an outsider cannot pile any up; the answer is the same for both.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from authsvc.audit.failures import note_failed_proof
from authsvc.audit.record import record
from authsvc.tenants.models import Operator
from authsvc.tenants.services import operator_outside, system_caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of


class SignInForm(AdminAuthenticationForm):
    """Django's form for operators, with its audit events."""

    def clean(self) -> dict[str, Any]:
        """Check name and password; note what came of it."""
        name = str(self.cleaned_data.get("username") or "")
        operator = Operator.objects.filter(username=name).first()
        try:
            cleaned = super().clean()
        except ValidationError:
            if operator is not None:
                _note(self.request, operator, "operator.login_failed", {"username": name})
            _count(self.request, operator)
            raise
        if operator is not None and self.get_user() is not None:
            _note(self.request, operator, "operator.logged_in", {})
        return cleaned


def _count(request: HttpRequest | None, operator: Operator | None) -> None:
    address = client_address(request) if request is not None else ""
    caller = replace(system_caller(request_id=request_id_of(request)), address=address)
    who = operator.id if operator is not None else ""
    note_failed_proof(caller, principal_id=who, address=address, proof="password", now=datetime.now(UTC))


def _note(request: HttpRequest | None, operator: Operator, event_type: str, detail: dict[str, str]) -> None:
    address = client_address(request) if request is not None else ""
    caller = operator_outside(operator, request_id=request_id_of(request), address=address)
    record(caller, event_type, subject_id=operator.id, detail={**detail, "address": address}, now=datetime.now(UTC))
