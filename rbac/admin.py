"""Gathers the admin pages of rights."""

from rbac.admin_pages import accounts, channels, gateways, pairings, roles  # noqa: F401 - importing registers the pages
