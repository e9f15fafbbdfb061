"""Gathers the admin pages of the ground floors."""

from authsvc.gate import admin as gate_admin  # noqa: F401 - importing registers the pages
