"""Everything the admin can do, the API can do too: each button and form has its route, or a reason why it has none."""

from __future__ import annotations

from tests.admin.crawl import pages
from tests.house.routes import walk

PLATFORM = "above all tenants: a token lives inside one environment; the commands do it"
PERSON = "about people who sign in here; no service acts on them"
SAME = {
    "apikey do rotate": "POST service-accounts/<id:account_id>/keys/<id:key_id>/rotate",
    "apikey do revoke": "DELETE service-accounts/<id:account_id>/keys/<id:key_id>",
    "apikey do never-expire": "POST service-accounts/<id:account_id>/keys/<id:key_id>/never-expire",
    "apikey bulk revoke_keys": "DELETE service-accounts/<id:account_id>/keys/<id:key_id>",
    "issuedtoken bulk revoke_tokens": "DELETE tokens/<id:jti>",
    "channelpolicy add": "POST channels",
    "channelpolicy do edit": "PATCH channels/<id:channel_id>",
    "channelpolicy do delete": "DELETE channels/<id:channel_id>",
    "channelpolicy page import": "POST channels/import",
    "channelpairing do approve": "POST channels/<id:channel_id>/pairing/approve",
    "channelpairing do reject": "DELETE channels/<id:channel_id>/pairing/<id:pairing_id>",
    "device do approve": "POST devices/<id:device_id>/approve",
    "device do reject": "POST devices/<id:device_id>/reject",
    "device do trust": "POST devices/<id:device_id>/trust",
    "device do suspend": "POST devices/<id:device_id>/suspend",
    "device do resume": "POST devices/<id:device_id>/resume",
    "device do revoke": "POST devices/<id:device_id>/revoke",
    "device bulk reject_devices": "POST devices/reject",
    "gateway add": "POST gateways",
    "gateway page routes": "PUT gateways/<id:gateway_id>/routes",
    "gateway do token": "POST gateways/<id:gateway_id>/tokens",
    "gateway do delete": "DELETE gateways/<id:gateway_id>",
    "grant add": "POST grants",
    "grant do revoke": "DELETE grants/<id:grant_id>",
    "issuedtoken add": "POST tokens",
    "issuedtoken do revoke": "DELETE tokens/<id:jti>",
    "issuedtoken page explain": "POST explain",
    "profile add": "POST profiles",
    "profile do new-version": "POST profiles/<id:profile_id>/credentials",
    "profile do clear-cooldown": "POST profiles/<id:profile_id>/clear-cooldown",
    "profile do retire": "POST profiles/<id:profile_id>/retire",
    "profile do delete": "DELETE profiles/<id:profile_id>",
    "profile page import": "POST profiles/import",
    "profile page outlook": "PUT order/<name:provider>",
    "profilesettings add": "PATCH profiles/settings",
    "profilesettings do change": "PATCH profiles/settings",
    "providerentry add": "PUT providers/<name:provider>",
    "providerentry do change": "PUT providers/<name:provider>",
    "providerentry do remove": "DELETE providers/<name:provider>",
    "review do approve": "POST reviews/<id:review_id>/approve",
    "review do reject": "POST reviews/<id:review_id>/reject",
    "review do withdraw": "DELETE reviews/<id:review_id>",
    "review page promote": "POST promotions",
    "role add": "POST roles",
    "role do edit": "PATCH roles/<id:role_id>",
    "role do delete": "DELETE roles/<id:role_id>",
    "role page matrix": "GET grants",
    "serviceaccount add": "POST service-accounts",
    "serviceaccount do api-key": "POST service-accounts/<id:account_id>/keys",
    "serviceaccount do client-secret": "POST service-accounts/<id:account_id>/keys",
    "serviceaccount do disable": "PATCH service-accounts/<id:account_id>",
    "serviceaccount do enable": "PATCH service-accounts/<id:account_id>",
    "serviceaccount do delete": "DELETE service-accounts/<id:account_id>",
    "auditevent page export": "GET audit/export",
    "auditevent page chains": "GET audit/checkpoints",
    "tenant do four-eyes": "PUT four-eyes",
    "tenant do limits": "PUT limits",
    "tenant do suspend": "POST tenant/suspend",
    "tenant do origins": "PUT origins",
    "tokenpolicy do change": "PATCH token-policy",
    "devicepolicy add": "PATCH devices/policy",
    "devicepolicy do change": "PATCH devices/policy",
    "enrolmentcode add": "POST devices/enrolment-codes",
    "enrolmentcode do revoke": "DELETE devices/enrolment-codes/<id:code_id>",
    "gateway do allow": "PATCH gateways/<id:gateway_id>",
    "gateway do claims": "PATCH gateways/<id:gateway_id>",
    "gateway do sharing": "PATCH gateways/<id:gateway_id>",
    "gateway do import-token": "POST gateways/<id:gateway_id>/tokens/import",
    "profile do probe": "POST profiles/<id:profile_id>/probe",
    "profile page status": "GET status",
    "signingkey do rotate": "POST keys/rotate",
    "signingkey do activate": "POST keys/activate",
    "signingkey do force": "POST keys/activate",
    "signingkey do retire": "POST keys/<id:key_id>/retire",
}
NOT_IN_THE_API = {
    "environment add": PLATFORM,
    "tenant add": PLATFORM,
    "tenant do resume": "nothing of a suspended tenant is answered; the command tenants does it",
    "tenant do destroy": PLATFORM,
    "tenant do require-mfa": PERSON,
    "tenant do release-mfa": PERSON,
    "tenant page onboard": PLATFORM,
}
ABOUT_PEOPLE = ("operator ", "membership ", "invitation ")


def acts_of_the_admin() -> set[str]:
    """Return every form, button, bulk action and page of its own of the admin's models."""
    found = set()
    for page in pages().values():
        name = str(page.opts.model_name)
        found |= {f"{name} do {action.name}" for action in page.service_actions}
        found |= {f"{name} add"} if page.service_add_form else set()
        found |= {f"{name} bulk {action}" for action in page.actions or ()}
        prefix = f"{page.opts.app_label}_{name}_"
        stock = {"changelist", "add", "history", "delete", "change", "do"}
        names = {str(pattern.name).removeprefix(prefix) for pattern in page.get_urls() if pattern.name}
        found |= {f"{name} page {other}" for other in names - stock}
    return found


def test_each_act_of_the_admin_is_in_the_api_or_says_why_not() -> None:
    acts = {act for act in acts_of_the_admin() if not act.startswith(ABOUT_PEOPLE)}
    assert acts - set(SAME) - set(NOT_IN_THE_API) == set()


def test_each_route_named_for_an_act_exists() -> None:
    routes = {f"{method} {route.path[7:]}" for route in walk() if route.is_api for method in route.methods}
    assert set(SAME.values()) - routes == set()
