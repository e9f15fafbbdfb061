"""The app of provider credentials."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """Floor 7."""

    name = "profiles"
    verbose_name = "Provider credentials"
