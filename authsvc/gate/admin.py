"""Gathers the admin pages of the ground floors."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from authsvc.gate.admin_pages import audit, gateway_snippets, operators, reviews, tenants, tokens  # noqa: F401 - importing registers the pages

admin.site.unregister(Group)  # roles and memberships take its place
admin.site.unregister([TOTPDevice, StaticDevice])  # their stock pages show the keys
