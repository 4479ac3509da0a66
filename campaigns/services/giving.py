"""Give what rules give beside points, and take it back when what earned it is returned.

A kind is registered here under the name that ``campaigns/earning/grants.py`` reads it by. What is
given is written in the transaction of its purchase or event: both are there, or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.earning.results import GrantDraft
from campaigns.models import Event, RuleGrant, RuleGrantReversal
from loyalty_site.lib import calendars, languages
from members.models import Member, Message, Program, Purchase, Return
from members.queries.grading import grading_of
from members.services import attributes, tags, tiers
from rewards import vouchers
from rewards.services import granting

Outcome = RuleGrantReversal.Outcome


@dataclass(frozen=True, slots=True)
class Prepared:
    """Something that will be given; ``details`` are told in the answer, codes included."""

    public_id: UUID
    draft: GrantDraft
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Giving:
    """What a kind's ``give`` needs to know beside what is prepared; the member is locked."""

    program: Program
    member_id: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Taking:
    """What a kind's ``take_back`` needs to know; the member is locked."""

    grant: RuleGrant
    member_id: int
    recorded_at: datetime


def _no_details(
    _body: Mapping[str, Any], _recorded_at: datetime, _zone: ZoneInfo
) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Hand:
    """Who gives and takes back one kind.

    ``give`` writes it down and returns what the grant's row keeps of it; ``take_back`` undoes it
    and returns what became of it. ``prepare`` decides without the database what the answer tells.
    """

    give: Callable[[Giving, Prepared], Mapping[str, Any]]
    take_back: Callable[[Taking], str]
    prepare: Callable[[Mapping[str, Any], datetime, ZoneInfo], dict[str, Any]] = field(
        default=_no_details
    )


HANDS: Final[dict[str, Hand]] = {}


def register(kind: str, hand: Hand) -> None:
    """Let effects of this kind be given by this hand."""
    HANDS[kind] = hand


def prepared(
    drafts: Iterable[GrantDraft], *, recorded_at: datetime, zone: ZoneInfo
) -> tuple[Prepared, ...]:
    """Return what will be given, with the codes and days that its answer tells; writes nothing."""
    return tuple(
        Prepared(uuid4(), draft, HANDS[draft.kind].prepare(draft.body, recorded_at, zone))
        for draft in drafts
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What one purchase or event gives its member; ``source`` says which of the two ``ref`` is."""

    source: str
    ref: str
    member_id: int
    occurred_at: datetime
    grants: Sequence[Prepared]
    version_ids: Mapping[tuple[str, int], int]


def give_all(*, program_id: int, wishes: Iterable[Wish], recorded_at: datetime) -> None:
    """Write down everything that is given, after its purchases and events; members are locked."""
    program = Program.objects.get(pk=program_id)
    for wish in wishes:
        owner: dict[str, Any] = (
            {"purchase": Purchase.objects.get(public_id=wish.ref)}
            if wish.source == "purchase"
            else {"event": Event.objects.get(public_id=wish.ref)}
        )
        giving = Giving(program, wish.member_id, recorded_at)
        for each in wish.grants:
            draft = each.draft
            given = HANDS[draft.kind].give(giving, each)
            RuleGrant.objects.create(
                public_id=each.public_id,
                program=program,
                member_id=wish.member_id,
                rule_version_id=wish.version_ids[draft.rule_code, draft.rule_version],
                effect=draft.effect,
                kind=draft.kind,
                text=draft.text[:500],
                given=dict(given),
                line_ids=list(draft.line_ids),
                limit_uses=[
                    {**use.key._asdict(), "points": use.points, "uses": use.uses}
                    for use in draft.limit_uses
                ],
                occurred_at=wish.occurred_at,
                recorded_at=recorded_at,
                **owner,
            )


def take_back(
    *, goods_return: Return, purchase: Purchase, left: Mapping[str, bool], moment: datetime
) -> list[dict[str, Any]]:
    """Take back what the purchase gave beside points and what came back has earned.

    ``left`` says of every line whether anything of it stays with the member. What is given for
    the whole purchase goes with its last line. Returns the counters that are released.
    """
    member = purchase.member
    if member is None:
        return []
    released: list[dict[str, Any]] = []
    grants = RuleGrant.objects.filter(purchase=purchase, reversal=None)
    for grant in grants.select_related("rule_version").order_by("-pk"):
        if any(left[line_id] for line_id in grant.line_ids or left):
            continue
        taking = Taking(grant, member.merged_into_id or member.pk, moment)
        outcome = HANDS[grant.kind].take_back(taking)
        RuleGrantReversal.objects.create(
            grant=grant, goods_return=goods_return, outcome=outcome, recorded_at=moment
        )
        if outcome == Outcome.TAKEN_BACK:
            released += [{**use, "points": 0, "uses": -use["uses"]} for use in grant.limit_uses]
    return released


# Vouchers ------------------------------------------------------------------------------------


def _prepare_voucher(
    body: Mapping[str, Any], recorded_at: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    return {
        "voucher": {
            "code": vouchers.new_code(),
            "reward": body["reward"],
            "expires_at": vouchers.expires_at(recorded_at, body["valid_days"], zone),
        }
    }


def _give_voucher(giving: Giving, each: Prepared) -> Mapping[str, Any]:
    voucher = each.details["voucher"]
    redemption = granting.grant(
        program_id=giving.program.pk,
        member_id=giving.member_id,
        reward_code=voucher["reward"],
        code=voucher["code"],
        expires_at=voucher["expires_at"],
        ref=str(each.public_id),
        moment=giving.recorded_at,
    )
    return {"redemption": str(redemption.public_id)}


def _take_voucher(taking: Taking) -> str:
    is_void = granting.withdraw(ref=str(taking.grant.public_id), moment=taking.recorded_at)
    return Outcome.TAKEN_BACK if is_void else Outcome.USED


# Messages ------------------------------------------------------------------------------------


def _give_message(giving: Giving, each: Prepared) -> Mapping[str, Any]:
    member = Member.objects.get(pk=giving.member_id)
    spoken = [tag for tag in (member.locale, giving.program.locale, settings.LANGUAGE_CODE) if tag]
    body = each.draft.body
    Message.objects.create(
        member=member,
        kind="rule",
        title=languages.pick(body["title"], spoken)[:200],
        body=languages.pick(body["body"], spoken),
        dedupe_key=f"grant:{each.public_id}",
        sent_at=giving.recorded_at,
    )
    return {}


def _leave_message(_taking: Taking) -> str:
    # What was said was said.
    return Outcome.STAYS


# Tags ----------------------------------------------------------------------------------------


def _give_tag(giving: Giving, each: Prepared) -> Mapping[str, Any]:
    body, moment = each.draft.body, giving.recorded_at
    before = tags.carried(member_id=giving.member_id, tag=body["tag"], moment=moment)
    zone = ZoneInfo(giving.program.timezone)
    days = body["days"]
    tags.tag(
        member_id=giving.member_id,
        tag=body["tag"],
        actor=f"grant:{each.public_id}",
        moment=moment,
        expires_at=None if days is None else calendars.add_days_to_instant(moment, days, zone),
    )
    return {"tag": body["tag"], "before": before}


def _take_tag(taking: Taking) -> str:
    given = taking.grant.given
    is_ended = tags.put_back(
        member_id=taking.member_id,
        tag=given["tag"],
        given_by=f"grant:{taking.grant.public_id}",
        before=given["before"],
        moment=taking.recorded_at,
    )
    return Outcome.TAKEN_BACK if is_ended else Outcome.CHANGED


# Attributes ----------------------------------------------------------------------------------


def _give_attribute(giving: Giving, each: Prepared) -> Mapping[str, Any]:
    body = each.draft.body
    before = attributes.give(
        member_id=giving.member_id,
        code=body["attribute"],
        value=body["value"],
        actor=f"grant:{each.public_id}",
        moment=giving.recorded_at,
    )
    return {"attribute": body["attribute"], "before": before}


def _take_attribute(taking: Taking) -> str:
    given = taking.grant.given
    is_back = attributes.put_back(
        member_id=taking.member_id,
        code=given["attribute"],
        given_by=f"grant:{taking.grant.public_id}",
        before=given["before"],
        moment=taking.recorded_at,
    )
    return Outcome.TAKEN_BACK if is_back else Outcome.CHANGED


# Tiers ---------------------------------------------------------------------------------------


def _give_tier(giving: Giving, each: Prepared) -> Mapping[str, Any]:
    grading = grading_of(giving.program)
    body = each.draft.body
    is_given = grading is not None and tiers.give(
        program_id=giving.program.pk,
        grading=grading,
        member_id=giving.member_id,
        tier=body["tier"],
        months=body["months"],
        ref=str(each.public_id),
        moment=giving.recorded_at,
    )
    return {} if is_given else {"unchanged": True}


def _take_tier(taking: Taking) -> str:
    grant = taking.grant
    if grant.given.get("unchanged"):
        return Outcome.STAYS
    is_ended = tiers.take(
        program_id=grant.program_id,
        member_id=taking.member_id,
        ref=str(grant.public_id),
        moment=taking.recorded_at,
    )
    return Outcome.TAKEN_BACK if is_ended else Outcome.CHANGED


register("voucher", Hand(_give_voucher, _take_voucher, _prepare_voucher))
register("message", Hand(_give_message, _leave_message))
register("tag", Hand(_give_tag, _take_tag))
register("attribute", Hand(_give_attribute, _take_attribute))
register("tier", Hand(_give_tier, _take_tier))
