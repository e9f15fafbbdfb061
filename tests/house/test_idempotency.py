"""Every POST of the API takes an ``Idempotency-Key`` or says here why a repeat of it hurts nobody."""

from __future__ import annotations

from authsvc.vault.idempotency import TAKES_KEY
from tests.house.routes import walk

READS = "it only answers a question"
STATE = "its table of states, or its digest, refuses the second one"
SAME = "the second one leaves everything as the first did"
PROOF = "a proof is exchanged for short tokens, and exchanged again as often as it is shown"
LEASE = "an answer with a provider's secret is never kept; asking twice is recorded as two leases"
REPEATABLE = {
    "decide": READS,
    "decide/batch": READS,
    "filter": READS,
    "explain": READS,
    "tokens/diagnose": READS,
    "channels/check": READS,
    "tokens/revoke-all": SAME,
    "tenant/suspend": "nobody of a suspended tenant is answered, so there is no second one",
    "members/<id:operator_id>/sign-out": SAME,
    "gateways/<id:gateway_id>/jwks-acknowledgement": SAME,
    "service-accounts/<id:account_id>/keys/<id:key_id>/never-expire": SAME,
    "devices/<id:device_id>/confirm": SAME,
    "devices/<id:device_id>/trust": SAME,
    "profiles/<id:profile_id>/retire": SAME,
    "profiles/<id:profile_id>/clear-cooldown": SAME,
    "profiles/<id:profile_id>/probe": SAME,
    "keys/activate": STATE,
    "keys/<id:key_id>/retire": STATE,
    "reviews/<id:review_id>/approve": STATE,
    "reviews/<id:review_id>/reject": STATE,
    "promotions": STATE,
    "channels/<id:channel_id>/pairing/approve": STATE,
    "devices/reject": STATE,
    "devices/<id:device_id>/approve": STATE,
    "devices/<id:device_id>/reject": STATE,
    "devices/<id:device_id>/suspend": STATE,
    "devices/<id:device_id>/resume": STATE,
    "devices/<id:device_id>/revoke": STATE,
    "devices/<id:device_id>/authenticate": PROOF,
    "devices/<id:device_id>/challenge": PROOF,
    "devices/<id:device_id>/prove": PROOF,
    "credentials/resolve": LEASE,
}


def test_each_post_takes_a_key_or_may_be_repeated_without() -> None:
    posts = {route.path[7:]: route.view.post for route in walk() if route.is_api and "POST" in route.methods}
    without = {path for path, handler in posts.items() if handler not in TAKES_KEY}
    assert without == set(REPEATABLE)
    assert len(posts) > len(without) >= 30
