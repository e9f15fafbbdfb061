"""Two operators: one asks, another approves what it saw, and the act happens in that transaction; nobody acts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from authsvc.gate import review_acts  # noqa: F401 - makes the acts known
from authsvc.gate.promotion import plan_promotion, promote
from authsvc.tenants.four_eyes import CHOICES, ReviewRequired, acts_of, set_four_eyes
from authsvc.tenants.models import MembershipRole, Operator, Tenant
from authsvc.tenants.review_models import Review
from authsvc.tenants.reviews import (
    ReviewClosed,
    ReviewStale,
    SelfApproval,
    approve_review,
    reject_review,
    request_instead,
    request_review,
    withdraw_review,
)
from authsvc.tenants.services import add_membership, operator_caller, system_caller
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Forbidden, Problem, ValidationFailed
from devices.models import Device
from devices.services.enrol import Identity
from devices.services.enrolment_codes import create_enrolment_code, enrol_with_code
from devices.services.lifecycle import approve_device, confirm_device, get_device, set_trust
from profiles.models import Credential, Profile, ProfileOrder
from profiles.services.order import store_order
from profiles.services.settings import update_profile_settings
from rbac.models import ChannelPolicy, Gateway, Grant, Role
from rbac.services.grants import create_grant, get_principal
from rbac.services.roles import RoleIsHeld, create_role, update_role
from rbac.services.routes import set_routes
from rbac.services.scopes import define_scope
from rbac.services.service_accounts import (
    create_service_account,
    get_service_account,
    issue_account_key,
    make_key_endless,
)
from tests.world import Place, World


@pytest.fixture
def first(world: World) -> Caller:
    """Return the tenant's owner in prod."""
    return operator_caller(Operator.objects.get(username="acme"), world.prod.environment())


@pytest.fixture
def second(world: World, now: datetime) -> Caller:
    """Return another administrator of the tenant in prod."""
    operator = Operator.objects.create_user("acme-second", "a long password of mine")
    tenant = Tenant.objects.get(slug="acme")
    add_membership(system_caller(), operator=operator, tenant=tenant, role=MembershipRole.ADMIN, now=now)
    return operator_caller(operator, world.prod.environment())


@pytest.fixture
def strict(first: Caller, now: datetime) -> None:
    """Let every act of the tenant need a second operator."""
    set_four_eyes(first, acts=[act.value for act in CHOICES], now=now)


def refused(call: Any, *arguments: Any, **options: Any) -> ReviewRequired:
    """Return the refusal of one who acts alone."""
    with pytest.raises(ReviewRequired) as raised:
        call(*arguments, **options)
    return raised.value


def approve(caller: Caller, review: Review, now: datetime) -> Review:
    """Approve what the review shows."""
    return approve_review(caller, review=review, digest=review.digest, now=now)


def admin_grant(world: World, caller: Caller, now: datetime) -> ReviewRequired:
    """Try to make the reader an administrator."""
    principal = get_principal(caller, world.prod.reader["client_id"])
    return refused(create_grant, caller, principal=principal, scopes=["authsvc:admin"], reason="on call", now=now)


def test_grant_of_an_administrator_waits_and_is_applied_by_a_second(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    review = request_instead(admin_grant(world, first, now), reason="on call", now=now)
    grants = Grant.objects.for_environment(first).filter(principal_id=world.prod.reader["client_id"])
    assert grants.count() == 1
    assert approve(second, review, now).state == "applied"
    made = grants.latest("created_at")
    assert (made.scopes, made.granted_by, made.reason) == (["authsvc:admin"], second.principal_id, "on call")
    events = AuditEvent.objects.order_by("-occurred_at", "-sequence")[:2]
    assert [event.event_type for event in events] == ["review.applied", "grant.created"]
    assert events[0].detail["requested_by"] == first.principal_id


def test_nobody_approves_their_own_request(world: World, strict: None, first: Caller, now: datetime) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    with pytest.raises(SelfApproval):
        approve(first, review, now)
    review.refresh_from_db()
    assert review.state == "waiting"
    assert AuditEvent.objects.get(event_type="review.refused").detail == {"code": "self_approval"}


def account_of(world: World, by: Caller, now: datetime) -> Caller:
    """Return a service account with every right, whose key this caller issued; the account itself is the demo's."""
    account = get_service_account(by, world.prod.client_id)
    issue_account_key(by, account=account, kind=ApiKeyKind.API_KEY, name="mine", now=now)
    return replace(by, kind=CallerKind.SERVICE_ACCOUNT, principal_id=account.id)


def test_nobody_approves_with_a_key_they_issued_nor_what_they_asked_with_it(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    account = account_of(world, first, now)
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    with pytest.raises(SelfApproval):
        approve(account, review, now)
    by_account = request_instead(admin_grant(world, account, now), reason="", now=now)
    with pytest.raises(SelfApproval):
        approve(first, by_account, now)
    assert approve(second, by_account, now).state == "applied"


def test_a_chain_of_accounts_does_not_hide_who_is_behind_it(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    middle = account_of(world, first, now)
    last = create_service_account(middle, name="last", now=now)
    end = replace(middle, principal_id=last.id)
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    with pytest.raises(SelfApproval):
        approve(end, review, now)


def test_account_that_nobody_of_them_could_use_may_approve(
    world: World, strict: None, first: Caller, now: datetime
) -> None:
    account = replace(first, kind=CallerKind.SERVICE_ACCOUNT, principal_id=world.prod.client_id)
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    assert approve(account, review, now).state == "applied"


def test_digest_that_was_not_seen_is_stale_and_changes_nothing(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    role = create_role(first, name="narrow", scopes=["authsvc:admin"], now=now)
    principal = get_principal(first, world.prod.reader["client_id"])
    review = request_instead(refused(create_grant, first, principal=principal, role=role, now=now), reason="", now=now)
    with pytest.raises(ReviewStale):
        approve_review(second, review=review, digest="0" * 64, now=now)
    update_role(first, role=role, scopes=["authsvc:admin", "agent_os:admin"], now=now)
    with pytest.raises(ReviewStale):
        approve(second, review, now)
    review.refresh_from_db()
    assert (review.state, Grant.objects.for_environment(first).filter(role=role).count()) == ("waiting", 0)


def test_request_ends_after_three_days(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    late = now + timedelta(days=3)
    assert review.standing(late - timedelta(seconds=1)) == "waiting"
    assert review.standing(late) == "expired"
    with pytest.raises(ReviewClosed):
        approve(second, review, late)


@pytest.mark.parametrize("how", ["approve", "reject", "withdraw"])
def test_closed_review_stays_closed(
    world: World, strict: None, first: Caller, second: Caller, now: datetime, how: str
) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    if how == "approve":
        approve(second, review, now)
    elif how == "reject":
        reject_review(second, review=review, reason="no", now=now)
    else:
        withdraw_review(first, review=review, now=now)
    with pytest.raises(ReviewClosed):
        approve(second, review, now)
    with pytest.raises(ReviewClosed):
        reject_review(second, review=review, reason="", now=now)
    with pytest.raises(ReviewClosed):
        withdraw_review(first, review=review, now=now)


def test_only_the_requester_withdraws(world: World, strict: None, first: Caller, second: Caller, now: datetime) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    with pytest.raises(Forbidden):
        withdraw_review(second, review=review, now=now)


def test_request_of_somebody_who_left_is_stale(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    Operator.objects.filter(id=first.principal_id).update(is_active=False)
    with pytest.raises(ReviewStale, match="no longer act here"):
        approve(second, review, now)


def test_approver_without_the_right_itself_is_refused(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    review = request_instead(admin_grant(world, first, now), reason="", now=now)
    approver = replace(second, scopes=frozenset({"reviews:approve", "grants:write"}))
    with pytest.raises(Problem) as raised:
        approve(approver, review, now)
    assert raised.value.slug == "scope_not_held"


def test_without_the_setting_everything_works_alone(world: World, first: Caller, now: datetime) -> None:
    principal = get_principal(first, world.prod.reader["client_id"])
    create_grant(first, principal=principal, scopes=["authsvc:admin"], confirmed=["authsvc:admin"], now=now)
    device = get_device(first, world.prod.device["id"])
    assert set_trust(first, device=device, trust_level=3, reason="known", now=now).trust_level == 3
    key = ApiKey.objects.for_environment(first).get(id=world.prod.ids["api_key"])
    assert make_key_endless(first, key=key, reason="in a safe", now=now).expires_at is None
    found = plan_promotion(first, source="dev")
    assert promote(first, source="dev", items=None, digest=found.digest(found.plan.items), now=now) > 0


def test_role_that_somebody_holds_gains_no_administrator_scope(
    world: World, strict: None, first: Caller, now: datetime
) -> None:
    grant = Grant.objects.for_environment(first).get(principal_id=world.prod.reader["client_id"])
    assert grant.role is not None
    with pytest.raises(RoleIsHeld):
        update_role(first, role=grant.role, scopes=["authsvc:admin"], now=now)
    assert update_role(first, role=grant.role, scopes=["audit:read"], now=now).scopes == ["audit:read"]


def test_trust_three_needs_a_second_on_every_path(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    place = world.prod
    device = get_device(first, place.device["id"])
    asked = refused(set_trust, first, device=device, trust_level=3, reason="known", now=now)
    refused(confirm_device, first, device=device, reason="known", now=now)
    pending = get_device(first, place.pending_device["id"])
    typed = place.pending_device["user_code"]
    with pytest.raises(ValidationFailed) as raised:
        approve_device(first, device=pending, user_code=typed, trust_level=3, reason="known", now=now)
    assert "trust_level" in raised.value.errors
    code = create_enrolment_code(first, name="fleet", maximum_uses=2, expires_in=600, trust_level=3, now=now)
    joined = enrol_with_code(
        code.code.reveal(),
        identity=Identity(),
        address="192.0.2.7",
        request_id="",
        fields={"name": "lamp", "device_type": "cli"},
        now=now,
    )
    assert joined.device.trust_level == 2
    review = request_instead(asked, reason="known", now=now)
    approve(second, review, now)
    assert Device.objects.for_environment(first).get(id=device.id).trust_level == 3
    assert set_trust(first, device=device, trust_level=1, reason="lower alone", now=now).trust_level == 1


def test_endless_key_needs_a_second_and_a_client_secret_ends(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    account = get_service_account(first, world.prod.client_id)
    secret = issue_account_key(first, account=account, kind=ApiKeyKind.CLIENT_SECRET, name="s", now=now).key
    assert secret.expires_at == now + timedelta(days=90)
    asked = refused(make_key_endless, first, key=secret, reason="in a safe", now=now)
    approve(second, request_instead(asked, reason="", now=now), now)
    assert ApiKey.objects.for_environment(first).get(id=secret.id).expires_at is None
    assert AuditEvent.objects.get(event_type="api_key.made_endless").actor_id == second.principal_id


def test_taking_an_act_out_needs_a_second_and_adding_one_does_not(
    world: World, first: Caller, second: Caller, now: datetime
) -> None:
    set_four_eyes(first, acts=["trust"], now=now)
    set_four_eyes(first, acts=["trust", "promotion"], now=now)
    asked = refused(set_four_eyes, first, acts=["promotion"], now=now)
    assert acts_of(first.tenant_id) == {"trust", "promotion"}
    approve(second, request_instead(asked, reason="", now=now), now)
    assert acts_of(first.tenant_id) == {"promotion"}


def furnish_dev(place: Place, now: datetime) -> Caller:
    """Give dev one of everything that can be taken over, and prod the gateway of the same name."""
    dev = place.caller()
    define_scope(dev, scope="lamps:read", sentence="See lamps.", now=now)
    create_role(dev, name="Lamp keeper", scopes=["lamps:read"], description="Looks", now=now)
    Gateway.objects.for_environment(dev).update(name="edge")
    gateway = Gateway.objects.for_environment(dev).get()
    rule = {"method": "GET", "pattern": "/lamps", "scopes": ["lamps:read"], "minimum_trust": 1}
    set_routes(dev, gateway=gateway, rules=[rule], unmapped="deny", now=now)
    Profile.objects.for_environment(dev).update(description="shared", minimum_trust=2)
    store_order(dev, provider="anthropic", agent="", profile_keys=["anthropic:default"], now=now)
    update_profile_settings(dev, changes={"failure_threshold": 9}, now=now)
    return dev


def test_promotion_takes_everything_over_but_secrets_in_one_transaction(
    world: World, strict: None, first: Caller, second: Caller, now: datetime
) -> None:
    dev = furnish_dev(world.dev, now)
    extra = Profile.objects.for_environment(dev).get()
    Profile.objects.for_tenant(dev.tenant_id).filter(pk=extra.pk).update(key="anthropic:second", agent="agent-9")
    Gateway.objects.for_environment(first).update(name="edge")
    credentials = list(Credential.objects.for_environment(first).order_by("id").values())
    found = plan_promotion(first, source="dev")
    wanted = [item.key for item in found.plan.items if item.kind != "order"]
    digest = found.digest(found.plan.chosen(wanted))
    asked = refused(promote, first, source="dev", items=wanted, digest=digest, now=now)
    assert not Role.objects.for_environment(first).filter(name="Lamp keeper").exists()
    review = request_instead(asked, reason="release 7", now=now)
    assert review.digest == digest
    approve(second, review, now)
    role = Role.objects.for_environment(first).get(name="Lamp keeper")
    assert (role.scopes, role.description) == (["lamps:read"], "Looks")
    assert Gateway.objects.for_environment(first).get().routes[0]["pattern"] == "/lamps"
    slot = Profile.objects.for_environment(first).get(key="anthropic:second")
    assert (slot.agent, slot.minimum_trust, slot.credentials.count()) == ("agent-9", 2, 0)
    assert list(Credential.objects.for_environment(first).order_by("id").values()) == credentials
    assert ChannelPolicy.objects.for_environment(first).get().name == world.dev.marker
    assert plan_promotion(first, source="dev").plan.chosen(wanted) == ()
    event = AuditEvent.objects.get(event_type="environment.promoted")
    assert (event.actor_id, event.detail["source"]) == (second.principal_id, "dev")


def test_promotion_of_what_changed_since_is_stale(world: World, first: Caller, now: datetime) -> None:
    dev = furnish_dev(world.dev, now)
    found = plan_promotion(first, source="dev")
    digest = found.digest(found.plan.items)
    update_role(dev, role=Role.objects.for_environment(dev).get(name="Lamp keeper"), description="x", now=now)
    with pytest.raises(ReviewStale):
        promote(first, source="dev", items=None, digest=digest, now=now)
    assert not Role.objects.for_environment(first).filter(name="Lamp keeper").exists()


def test_promotion_that_fails_halfway_changes_nothing(world: World, first: Caller, now: datetime) -> None:
    furnish_dev(world.dev, now)
    ProfileOrder.objects.for_environment(world.dev.caller()).update(profile_keys=["anthropic:nowhere"])
    found = plan_promotion(first, source="dev")
    with pytest.raises(ValidationFailed, match="invalid"):
        promote(first, source="dev", items=None, digest=found.digest(found.plan.items), now=now)
    assert not Role.objects.for_environment(first).filter(name="Lamp keeper").exists()


@pytest.mark.parametrize("source", ["prod", "nowhere", "../prod", ""])
def test_nothing_is_taken_out_of_prod_nor_from_nowhere(world: World, first: Caller, source: str) -> None:
    dev = replace(first, environment_id=world.dev.environment().id, environment="dev")
    with pytest.raises(Problem) as raised:
        plan_promotion(dev, source=source)
    assert raised.value.status in {400, 404}


def test_unknown_act_is_refused(first: Caller, now: datetime) -> None:
    with pytest.raises(ValidationFailed):
        request_review(first, act="everything", fields={}, now=now)
