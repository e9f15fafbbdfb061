"""Shapes of what a tenant says about itself: its limits, its state, its origins; unknown fields are refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from authsvc.web.serializers import StrictSerializer, TextField


class LimitsInput(StrictSerializer):
    """Requests a minute; null takes the service's own limit."""

    general_limit = serializers.IntegerField(allow_null=True, min_value=1, max_value=1000)
    sensitive_limit = serializers.IntegerField(allow_null=True, min_value=1, max_value=100)


class LimitsOutput(serializers.Serializer[Any]):
    """What the tenant set, what applies now, and what may be set."""

    general_limit = serializers.IntegerField(allow_null=True)
    sensitive_limit = serializers.IntegerField(allow_null=True)
    in_force = serializers.DictField(child=serializers.IntegerField())
    bounds = serializers.DictField(child=serializers.ListField(child=serializers.IntegerField()))


class TenantOutput(serializers.Serializer[Any]):
    """The caller's tenant."""

    tenant = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["active", "suspended", "destroyed"])
    environments = serializers.ListField(child=serializers.CharField())


class SuspensionInput(StrictSerializer):
    """Why the tenant stops; ``confirm`` is its own name, so that nobody stops it by accident."""

    confirm = TextField(max_length=63)
    reason = TextField(max_length=500)


class OriginsInput(StrictSerializer):
    """The whole list; an empty one leaves the service's own origins."""

    origins = serializers.ListField(child=TextField(max_length=200), max_length=50)


class OriginsOutput(serializers.Serializer[Any]):
    """What the tenant lists, and what the service lists for everybody."""

    origins = serializers.ListField(child=serializers.CharField())
    of_the_service = serializers.ListField(child=serializers.CharField())
