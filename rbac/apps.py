"""The app of rights: scopes, roles, grants, gateways, channel policies."""

from django.apps import AppConfig


class RbacConfig(AppConfig):
    """Floor 5."""

    name = "rbac"
    verbose_name = "Rights"
