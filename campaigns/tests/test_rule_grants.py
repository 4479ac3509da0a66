"""What rules give beside points: vouchers, messages and tiers, and what returns do with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from campaigns.bodies import parse_event
from campaigns.earning import grants as kinds
from campaigns.earning.grants import Kind
from campaigns.earning.sentences import rule_sentence
from campaigns.models import LimitCounter, RuleGrant, RuleGrantReversal
from campaigns.programfile import ProgramFileError, parse
from campaigns.services import events, giving
from campaigns.services.giving import Giving, Hand, Prepared, Taking
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
    DAY,
    NOON,
    PROGRAM,
    apply,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
    standings,
)
from loyalty_site.lib.wire import dumps
from members.models import Member, MemberTag, Message, OutboxEvent, Program
from members.services import tags
from members.services.merging import Wanted
from rewards.models import Redemption, Reward, Voucher
from rewards.services import merging, redemptions
from rewards.services import vouchers as voucher_service

pytestmark = pytest.mark.django_db

COFFEE = {"code": "coffee", "kind": "service", "name": "Coffee", "points_price": 150}
NEXT_ORDER: dict[str, Any] = {
    "code": "next-order",
    "name": "A coffee for the next order",
    "trigger": "purchase",
    "when": {"attr": "purchase.net", "op": "gte", "value": "50.00"},
    "effects": [{"kind": "voucher", "reward": "coffee", "valid_days": 30}],
}


def opened(*rules: dict[str, Any], **sections: Any) -> Any:
    """Open a shop whose rules give more than points, and enroll its member."""
    apply(program_file(rules=[BASE, BASE_STATUS, *rules], rewards=[COFFEE], **sections))
    return join()


def outcomes() -> list[tuple[str, str]]:
    """Return what returns did with what was given, oldest first."""
    rows = RuleGrantReversal.objects.order_by("pk")
    return list(rows.values_list("grant__kind", "outcome"))


def test_a_purchase_gives_a_coupon_for_the_next_order() -> None:
    member = opened(NEXT_ORDER)

    answer = buy(basket(line(price="60.00"), at=NOON), moment=NOON)

    voucher = Voucher.objects.select_related("redemption__reward").get()
    assert [
        (each["kind"], each["text"], each["rule"]["code"], each["voucher"])
        for each in answer["grants"]
    ] == [
        (
            "voucher",
            "A voucher for coffee, valid 30 days",
            "next-order",
            {"code": voucher.code, "reward": "coffee", "expires_at": "2026-04-01T23:00:00Z"},
        )
    ]
    assert (voucher.state, voucher.expires_at) == ("issued", datetime(2026, 4, 1, 23, tzinfo=UTC))
    assert (voucher.redemption.member, voucher.redemption.points) == (member, 0)
    assert voucher.redemption.reward.code == "coffee"
    assert OutboxEvent.objects.filter(kind="voucher_granted", member=member).count() == 1
    assert differences() == []


def test_a_coupon_of_a_rule_is_used_at_the_till_like_any_other() -> None:
    opened(NEXT_ORDER)
    code = buy(basket(line(price="60.00"), at=NOON), moment=NOON)["grants"][0]["voucher"]["code"]

    used = voucher_service.use(
        program=Program.objects.get(), code=code, purchase=None, caller="till", moment=NOON + DAY
    )

    assert used.state == "used"
    assert differences() == []


def test_the_same_purchase_again_answers_the_same_coupon_and_gives_no_other() -> None:
    opened(NEXT_ORDER)
    body = basket(line(price="60.00"), at=NOON)
    first = buy(body, moment=NOON)

    again = buy(body, moment=NOON + DAY)

    assert again["grants"] == first["grants"]
    assert Voucher.objects.count() == 1


def test_a_rehearsal_tells_of_the_coupon_without_a_code_and_gives_none() -> None:
    opened(NEXT_ORDER)

    answer = buy(basket(line(price="60.00"), at=NOON), moment=NOON, dry_run=True)

    (told,) = answer["grants"]
    assert (told["id"], told["voucher"]["code"], told["voucher"]["reward"]) == (
        None,
        None,
        "coffee",
    )
    assert Voucher.objects.count() == RuleGrant.objects.count() == 0


def test_what_a_condition_refuses_is_told_with_what_is_missing() -> None:
    opened(NEXT_ORDER)

    answer = buy(basket(line(price="20.00"), at=NOON), moment=NOON)

    assert answer["grants"] == []
    assert [
        (each["rule"]["code"], each["reason"], each["missing"], each["currency"])
        for each in answer["not_applied"]
    ] == [("next-order", "below_minimum", "30.00", None)]


def test_a_limit_of_uses_holds_for_what_is_given_beside_points() -> None:
    member = opened({**NEXT_ORDER, "limits": [{"per": "member", "period": "month", "uses": 1}]})
    buy(basket(line(price="60.00"), at=NOON), moment=NOON)

    answer = buy(basket(line(price="60.00"), at=NOON + DAY), moment=NOON + DAY)

    assert answer["grants"] == []
    assert [(each["reason"], each["text"]) for each in answer["not_applied"]] == [
        ("limit_reached", "Not given again: at most once a month per member")
    ]
    assert Voucher.objects.filter(redemption__member=member).count() == 1


def test_points_and_a_coupon_of_one_rule_are_one_use_of_it() -> None:
    points = {"kind": "earn_fixed", "currency": "points", "points": 5}
    limits = [{"per": "member", "period": "day", "uses": 1}]
    opened({**NEXT_ORDER, "effects": [points, *NEXT_ORDER["effects"]], "limits": limits})

    answer = buy(basket(line(price="60.00"), at=NOON), moment=NOON)

    assert (answer["points"]["granted"], len(answer["grants"])) == (65, 1)
    assert [counter.uses for counter in LimitCounter.objects.all()] == [1]


def test_a_whole_return_voids_the_coupon_and_frees_its_limit() -> None:
    limits = [{"per": "member", "period": "month", "uses": 1}]
    opened({**NEXT_ORDER, "limits": limits})
    body = basket(line(price="60.00"), at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert outcomes() == [("voucher", "taken_back")]
    assert Voucher.objects.get().state == "cancelled"
    assert Redemption.objects.get().state == "cancelled"
    assert [counter.uses for counter in LimitCounter.objects.all()] == [0]
    assert OutboxEvent.objects.filter(kind="voucher_withdrawn").count() == 1
    again = buy(basket(line(price="60.00"), at=NOON + 2 * DAY), moment=NOON + 2 * DAY)
    assert len(again["grants"]) == 1
    assert differences() == []


def test_a_coupon_that_was_used_is_kept_and_said_so() -> None:
    limits = [{"per": "member", "period": "month", "uses": 1}]
    opened({**NEXT_ORDER, "limits": limits})
    body = basket(line(price="60.00"), at=NOON)
    code = buy(body, moment=NOON)["grants"][0]["voucher"]["code"]
    voucher_service.use(
        program=Program.objects.get(), code=code, purchase=None, caller="till", moment=NOON
    )

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert outcomes() == [("voucher", "used")]
    assert Voucher.objects.get().state == "used"
    assert [counter.uses for counter in LimitCounter.objects.all()] == [1]


def test_only_the_line_that_earned_it_takes_it_back() -> None:
    toys = {"attr": "line.category", "op": "eq", "value": "toys"}
    opened({**NEXT_ORDER, "lines": toys})
    body = basket(line("1", "30.00", category="toys"), line("2", "30.00", category="food"), at=NOON)
    buy(body, moment=NOON)

    food = [{"line_id": "2", "quantity": "1"}]
    bring_back(refund(body, lines=food, at=NOON + DAY), moment=NOON + DAY)
    kept = outcomes()
    toys_back = [{"line_id": "1", "quantity": "1"}]
    bring_back(refund(body, lines=toys_back, at=NOON + DAY), moment=NOON + DAY)

    assert RuleGrant.objects.get().line_ids == ["1"]
    assert (kept, outcomes()) == ([], [("voucher", "taken_back")])


def test_a_part_return_leaves_what_the_whole_purchase_earned() -> None:
    opened(NEXT_ORDER)
    body = basket(line("1", "30.00"), line("2", "30.00"), at=NOON)
    buy(body, moment=NOON)

    bring_back(
        refund(body, lines=[{"line_id": "1", "quantity": "1"}], at=NOON + DAY), moment=NOON + DAY
    )
    before = outcomes()
    bring_back(refund(body, at=NOON + DAY), moment=NOON + 2 * DAY)

    assert (before, outcomes()) == ([], [("voucher", "taken_back")])


def test_a_return_finds_the_coupon_of_a_member_who_went_into_another() -> None:
    member = opened(NEXT_ORDER)
    other = join("6011000002")
    body = basket(line(price="60.00"), at=NOON)
    buy(body, moment=NOON)
    merging.merge_members(
        wanted=Wanted(survivor_id=other.pk, merged_id=member.pk, reason="same person"),
        by=None,
        moment=NOON + DAY,
    )

    bring_back(refund(body, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert outcomes() == [("voucher", "taken_back")]
    assert differences() == []


def test_a_coupon_does_not_count_for_the_limit_of_its_reward() -> None:
    limited = {**COFFEE, "limit": {"per": "member", "period": "lifetime", "uses": 1}}
    apply(program_file(rules=[BASE, NEXT_ORDER], rewards=[limited]))
    member = join()
    buy(basket(line(price="200.00"), at=NOON), moment=NOON)

    made = redemptions.redeem(
        program=Program.objects.get(),
        order=redemptions.Order(member=member, reward="coffee", caller="till"),
        moment=NOON + DAY,
    )

    assert made.state == "fulfilled"


MESSAGE = {
    "code": "thanks",
    "trigger": "purchase",
    "effects": [
        {
            "kind": "message",
            "title": {"en": "Thank you", "ru": "Spasibo"},
            "body": {"en": "See you soon.", "ru": "Do vstrechi."},
        }
    ],
}


@pytest.mark.parametrize(
    ("_case", "locale", "title"),
    [
        ("the member's language", "ru", "Spasibo"),
        ("a language without a text", "fr", "Thank you"),
        ("no language", "", "Thank you"),
    ],
)
def test_a_message_is_in_the_inbox_in_the_language_of_the_member(
    _case: str, locale: str, title: str
) -> None:
    apply(program_file(rules=[BASE, MESSAGE]))
    member = join(locale=locale)

    answer = buy(basket(at=NOON), moment=NOON)

    assert [each["kind"] for each in answer["grants"]] == ["message"]
    assert list(Message.objects.filter(member=member).values_list("kind", "title", "sent_at")) == [
        ("rule", title, NOON)
    ]


def test_a_message_stays_when_the_goods_come_back() -> None:
    apply(program_file(rules=[BASE, MESSAGE]))
    join()
    body = basket(at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert outcomes() == [("message", "stays")]
    assert Message.objects.count() == 1


SILVER = {
    "code": "silver-month",
    "trigger": "purchase",
    "when": {"attr": "purchase.net", "op": "gte", "value": "100.00"},
    "effects": [{"kind": "tier", "tier": "silver", "months": 1}],
}


def test_a_rule_lifts_a_member_to_a_tier_for_some_months() -> None:
    member = opened(SILVER)

    buy(basket(line(price="100.00"), at=NOON), moment=NOON)

    assert [tier for tier, _ in standings(member)] == ["bronze", "silver"]
    held = member.tier_memberships.get(superseded_at=None, ends_at=None)
    assert (held.starts_at, held.valid_until) == (NOON, datetime(2026, 4, 2, 11, tzinfo=UTC))
    assert held.evidence["cause"] == "granted"
    assert differences() == []


def test_a_return_ends_the_tier_that_its_purchase_was_given() -> None:
    member = opened(SILVER)
    body = basket(line(price="100.00"), at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert outcomes() == [("tier", "taken_back")]
    assert standings(member)[-1] == ("bronze", NOON + DAY)
    assert differences() == []


def test_a_tier_that_was_passed_since_is_not_taken_back() -> None:
    member = opened(SILVER)
    body = basket(line(price="100.00"), at=NOON)
    buy(body, moment=NOON)
    buy(basket(line(price="3000.00"), at=NOON + DAY), moment=NOON + DAY)

    bring_back(refund(body, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert ("tier", "changed") in outcomes()
    assert standings(member)[-1][0] == "gold"


def test_whoever_is_on_the_tier_or_above_stays_as_they_are() -> None:
    member = opened(SILVER)
    body = basket(line(price="2500.00"), at=NOON)

    buy(body, moment=NOON)
    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert [tier for tier, _ in standings(member)] == ["bronze", "gold"]
    assert RuleGrant.objects.get().given == {"unchanged": True}
    assert outcomes() == [("tier", "stays")]


def test_a_late_purchase_does_not_end_a_tier_that_was_given() -> None:
    member = opened(SILVER)
    buy(basket(line(price="100.00"), at=NOON), moment=NOON)

    buy(basket(line(price="10.00"), at=NOON - 5 * DAY), moment=NOON + DAY)

    assert standings(member)[-1] == ("silver", NOON)


def test_an_event_gives_what_its_rule_says() -> None:
    opened({**NEXT_ORDER, "trigger": "event:review", "when": None})
    body = {
        "type": "review",
        "member": {"identifier": CARD},
        "source": "app",
        "external_id": "E-1",
        "occurred_at": NOON.isoformat(),
    }

    outcome = events.process_event(body=parse_event(body), actor="app", moment=NOON)

    assert [each["kind"] for each in outcome.body["grants"]] == ["voucher"]
    grant = RuleGrant.objects.get()
    assert (grant.purchase, grant.event.type if grant.event else "") == (None, "review")


@pytest.fixture
def badge() -> Iterator[list[str]]:
    """Register a kind of its own, and forget it again; returns what was given."""
    given: list[str] = []
    kinds.register(
        Kind(
            "sticker",
            lambda figures, _locale: {"color": figures.code("color")},
            lambda effect: f"a {effect['color']} sticker",
        )
    )

    def give(_giving: Giving, each: Prepared) -> Mapping[str, Any]:
        given.append(each.draft.body["color"])
        return {}

    def take_back(_taking: Taking) -> str:
        given.pop()
        return "taken_back"

    giving.register("sticker", Hand(give, take_back))
    yield given
    del kinds.KINDS["sticker"]
    del giving.HANDS["sticker"]


def test_a_new_kind_of_effect_is_one_entry(badge: list[str]) -> None:
    rule = {**NEXT_ORDER, "effects": [{"kind": "sticker", "color": "red"}]}
    opened(rule)
    body = basket(line(price="60.00"), at=NOON)

    answer = buy(body, moment=NOON)
    given = list(badge)
    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert rule_sentence(rule) == "A red sticker when the purchase's net amount is at least 50.00."
    assert [each["text"] for each in answer["grants"]] == ["A red sticker"]
    assert (given, badge) == (["red"], [])
    assert outcomes() == [("sticker", "taken_back")]


@pytest.mark.parametrize(
    ("_case", "effect", "path", "expected"),
    [
        (
            "an unknown reward",
            {"kind": "voucher", "reward": "tea"},
            "rules[0].effects[0].reward",
            "one of coffee",
        ),
        (
            "a reward that can be out of stock",
            {"kind": "voucher", "reward": "mug"},
            "rules[0].effects[0].reward",
            "one of coffee",
        ),
        (
            "an unknown tier",
            {"kind": "tier", "tier": "iron", "months": 1},
            "rules[0].effects[0].tier",
            "one of bronze, gold, silver",
        ),
        (
            "no day",
            {"kind": "voucher", "reward": "coffee", "valid_days": 0},
            "rules[0].effects[0].valid_days",
            "a whole number from 1 to 3650",
        ),
        (
            "a currency",
            {"kind": "voucher", "reward": "coffee", "currency": "points"},
            "rules[0].effects[0].currency",
            "no such key",
        ),
        (
            "no title",
            {"kind": "message", "body": "Hello"},
            "rules[0].effects[0].title",
            "a text, or texts by language",
        ),
    ],
)
def test_a_file_names_only_what_can_be_given(
    _case: str, effect: dict[str, Any], path: str, expected: str
) -> None:
    mug = {"code": "mug", "kind": "physical", "name": "Mug", "points_price": 1, "stock": 3}
    rules = [{**NEXT_ORDER, "effects": [effect]}]
    document = {**PROGRAM, "rules": rules, "rewards": [COFFEE, mug]}

    with pytest.raises(ProgramFileError) as refused:
        parse(dumps(document).decode())

    found = [(each.path, each.expected) for each in refused.value.problems]
    assert (path, expected) in found


@pytest.mark.parametrize("model", [RuleGrant, RuleGrantReversal], ids=["grant", "reversal"])
def test_what_was_given_is_never_rewritten(model: Any) -> None:
    opened(NEXT_ORDER)
    body = basket(line(price="60.00"), at=NOON)
    buy(body, moment=NOON)
    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    with pytest.raises(DatabaseError), transaction.atomic():
        model.objects.update(recorded_at=NOON + timedelta(days=9))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table}")

    assert model.objects.count() == 1


def test_a_redemption_without_a_price_is_one_of_a_rule() -> None:
    """The database holds it: a free redemption made otherwise is refused."""
    member = opened(NEXT_ORDER)

    for points, is_granted in ((0, False), (5, True)):
        with pytest.raises(DatabaseError, match="rewards_redemption"), transaction.atomic():
            Redemption.objects.create(
                program=Program.objects.get(),
                member=member,
                reward=Reward.objects.get(),
                quantity=1,
                points=points,
                state="cancelled",
                caller="rule",
                created_at=NOON,
                changed_at=NOON,
                is_granted=is_granted,
            )

    assert Redemption.objects.count() == 0


TAGGED = {
    "code": "tea-lover",
    "trigger": "purchase",
    "effects": [{"kind": "tag", "tag": "likes-tea", "days": 10}],
}


def carried(member: Member) -> list[tuple[str, datetime | None]]:
    """Return the member's tags with their ends."""
    return list(MemberTag.objects.filter(member=member).values_list("tag", "expires_at"))


def test_a_rule_tags_a_member_for_some_days_and_a_return_takes_the_tag_off() -> None:
    member = opened(TAGGED)
    body = basket(at=NOON)
    buy(body, moment=NOON)
    given = carried(member)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert given == [("likes-tea", NOON + 10 * DAY)]
    assert (carried(member), outcomes()) == ([], [("tag", "taken_back")])


@pytest.mark.parametrize(
    ("_case", "staff_at", "ends_at", "outcome"),
    [
        ("staff gave it before", NOON - DAY, NOON + 2 * DAY, "taken_back"),
        ("what staff gave before has ended", NOON - DAY, NOON + timedelta(hours=1), "gone"),
        ("staff gave it since", NOON + timedelta(hours=1), NOON + 10 * DAY, "changed"),
    ],
    ids=["before", "ended", "since"],
)
def test_a_return_brings_a_tag_back_to_what_it_was(
    _case: str, staff_at: datetime, ends_at: datetime, outcome: str
) -> None:
    member = opened(TAGGED)
    body = basket(at=NOON)

    def by_staff() -> None:
        tags.tag(
            member_id=member.pk, tag="likes-tea", actor="staff", moment=staff_at, expires_at=ends_at
        )

    if staff_at < NOON:
        by_staff()
        buy(body, moment=NOON)
    else:
        buy(body, moment=NOON)
        by_staff()
    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    if outcome == "gone":
        assert (carried(member), outcomes()) == ([], [("tag", "taken_back")])
    else:
        assert MemberTag.objects.get().actor == "staff"
        assert (carried(member), outcomes()) == ([("likes-tea", ends_at)], [("tag", outcome)])
