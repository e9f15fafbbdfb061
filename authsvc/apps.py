"""The app of the ground floors, and the admin site that only memberships open."""

import gc

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AuthsvcConfig(AppConfig):
    """Ground floors: audit, tenants, vault, tokens, gate and ops share one app label."""

    name = "authsvc"

    def ready(self) -> None:
        """Register the numbered start-up checks, who may read answers in a browser, and the care for connections."""
        from authsvc.ops import checks  # noqa: F401, PLC0415 - importing registers them
        from authsvc.tenants import origins  # noqa: F401, PLC0415 - importing registers its receiver
        from authsvc.web import database  # noqa: F401, PLC0415 - importing registers its receiver


class AuthsvcAdminConfig(AdminConfig):
    """Puts our admin site in the place of the stock one."""

    default_site = "authsvc.operators.admin_site.OperatorSite"

    def ready(self) -> None:
        """Register the pages. With them nearly all is loaded, and stays: it is never searched for garbage."""
        super().ready()
        gc.freeze()
        gc.enable()
