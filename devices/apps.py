"""The app of devices: enrolment, approval, proof, trust."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Floor 6."""

    name = "devices"
    verbose_name = "Devices"
