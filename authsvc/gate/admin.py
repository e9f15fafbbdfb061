"""Gathers the admin pages of the ground floors."""

from django.contrib import admin
from django.contrib.auth.models import Group

from authsvc.gate.admin_pages import (  # noqa: F401 - importing registers the pages
    audit,
    figures,
    gateway_snippets,
    invitations,
    operators,
    reviews,
    signing_keys,
    tenants,
    token_policy,
    tokens,
)

admin.site.unregister(Group)  # roles and memberships take its place
