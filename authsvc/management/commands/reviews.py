"""``reviews``: what waits for a second operator, decided from the machine; dev compared with prod and taken over."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime
from typing import Any

from authsvc.gate import review_acts  # noqa: F401 - makes the acts known
from authsvc.gate.promotion import Promotion, plan_promotion, promote
from authsvc.management.house_command import Exit, HouseCommand, add_json, add_place, add_verbs
from authsvc.tenants.four_eyes import CHOICES, acts_of, set_four_eyes
from authsvc.tenants.review_models import Review
from authsvc.tenants.reviews import approve_review, get_review, reject_review, request_review
from authsvc.web.caller import Caller

Shown = dict[str, Any]


class Command(HouseCommand):
    """Reviews of one environment."""

    help = "List, show, approve or reject reviews; compare with another environment, take it over, or ask to."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = add_verbs(parser)
        made = {
            "list": verbs.add_parser("list", help="show what waits, newest first"),
            "show": verbs.add_parser("show", help="show what a review would change, and its digest"),
            "approve": verbs.add_parser("approve", help="apply exactly what show showed"),
            "reject": verbs.add_parser("reject", help="refuse a request"),
            "compare": verbs.add_parser("compare", help="show what another environment has differently"),
            "take-over": verbs.add_parser("take-over", help="take the differences over as compare showed them"),
            "acts": verbs.add_parser("acts", help="show or set which acts of the tenant need a second operator"),
        }
        for verb in ("show", "approve", "reject"):
            made[verb].add_argument("review_id")
        for verb in ("approve", "take-over"):
            made[verb].add_argument("--digest", required=True, help="what was shown; anything else is stale")
        for verb in ("compare", "take-over"):
            made[verb].add_argument("--source", default="dev", help="the environment to take from")
            made[verb].add_argument("--item", action="append", help="only this difference, by key; repeat for more")
        made["take-over"].add_argument("--ask", action="store_true", help="ask a second operator instead")
        made["acts"].add_argument("--set", nargs="*", choices=[act.value for act in CHOICES], dest="acts")
        for verb in ("approve", "reject", "take-over"):
            made[verb].add_argument("--reason", default="")
        for verb in made.values():
            add_place(verb)
            add_json(verb)

    def run(self, options: dict[str, Any], now: datetime) -> Exit:
        """Run the verb."""
        caller = self.place(options)
        match options["verb"]:
            case "list":
                shown = [_row(review, now) for review in Review.objects.for_environment(caller)[:200]]
            case "compare" | "take-over":
                shown = _promotion(caller, options, now)
            case "acts":
                acts = acts_of(caller.tenant_id)
                if options["acts"] is not None:
                    acts = set_four_eyes(caller, acts=options["acts"], now=now)
                shown = [{"acts": sorted(acts)}]
            case _:
                shown = [_decided(caller, options, now)]
        if options["json"]:
            self.print_json(shown)
        else:
            for row in shown:
                self.stdout.write("  ".join(_text(value) for value in row.values()))
        return Exit.OK


def _decided(caller: Caller, options: dict[str, Any], now: datetime) -> Shown:
    review = get_review(caller, options["review_id"])
    if options["verb"] == "approve":
        reason, digest = options["reason"], options["digest"]
        review = approve_review(caller, review=review, digest=digest, reason=reason, now=now)
    elif options["verb"] == "reject":
        review = reject_review(caller, review=review, reason=options["reason"], now=now)
    return {**_row(review, now), "lines": review.lines}


def _promotion(caller: Caller, options: dict[str, Any], now: datetime) -> list[Shown]:
    source, keys, digest = options["source"], options["item"], options.get("digest", "")
    if options["verb"] == "compare":
        return _compared(plan_promotion(caller, source=source), keys)
    if options["ask"]:
        items = [item.key for item in plan_promotion(caller, source=source).plan.chosen(keys)]
        fields = {"source": source, "items": items}
        return [_row(request_review(caller, act="promotion", fields=fields, reason=options["reason"], now=now), now)]
    return [{"promoted": promote(caller, source=source, items=keys, digest=digest, now=now)}]


def _compared(found: Promotion, keys: list[str] | None) -> list[Shown]:
    chosen = found.plan.chosen(keys)
    rows: list[Shown] = [{"key": item.key, **asdict(item.line())} for item in chosen]
    return [*rows, *({"note": note} for note in found.plan.notes), {"digest": found.digest(chosen)}]


def _row(review: Review, now: datetime) -> Shown:
    return {
        "id": review.id,
        "act": review.act,
        "state": review.standing(now),
        "requested_by": review.requested_by,
        "created_at": review.created_at.isoformat(),
        "expires_at": review.expires_at.isoformat(),
        "digest": review.digest,
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(f"\n  {_text(item)}" for item in value)
    if isinstance(value, dict):
        return f"{value['what']}: {value['before'] or '-'} -> {value['after'] or '-'}"
    return str(value)
