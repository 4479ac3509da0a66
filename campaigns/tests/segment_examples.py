"""Random members with dirty values and random conditions over them, for the segments' tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final

from hypothesis import strategies as st

from members.models import (
    ConsentRecord,
    Identifier,
    Member,
    MemberScore,
    MemberTag,
    Program,
    Purchase,
    Segment,
    SegmentMembership,
    Tier,
    TierMembership,
)

DAY = timedelta(days=1)
ZONES: Final = (
    "UTC",
    "Europe/Lisbon",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Pacific/Kiritimati",
)
# Noon, the edges of days in the zones above, hours that clocks skip or repeat, and a leap day.
MOMENTS: Final = (
    datetime(2026, 3, 2, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2024, 2, 29, 10, tzinfo=UTC),
    datetime(2024, 2, 28, 18, 15, tzinfo=UTC),
    datetime(2026, 3, 1, 0, 0, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 0, tzinfo=UTC),
)
# One text composed and decomposed, letters beyond 16 bits, ligatures, cases, quotes, patterns.
WORDS: Final = (
    "",
    "en",
    "EN",
    "pt-PT",
    "caf\u00e9",
    "cafe\u0301",
    "\u212b",
    "\u00c5",
    "\U0001d49c\U0001f600",
    "\uffff\ufffd",
    "\U0010ffff",
    "\ufb01n",
    "\u1e9b\u0323",
    "\uac00",
    "\u1100\u1161",
    " en",
    "100%",
    "%(moment)s",
    "a_b",
    "a\\b",
    "';--",
    "\n",
)
TAGS: Final = ("vip", "likes-cheese", "x")
SEGMENTS: Final = ("regulars", "lapsed", "retired")
BIRTHS: Final = (
    None,
    date(2000, 2, 29),
    date(2000, 2, 28),
    date(2000, 3, 1),
    date(1999, 12, 31),
    date(1926, 3, 2),
)
_numbers = count(1)

texts = st.one_of(
    st.sampled_from(WORDS),
    # What Unicode has not assigned yet is composed by one version and not by another.
    st.text(
        st.characters(exclude_categories=("Cs", "Cn", "Co"), exclude_characters="\0"), max_size=16
    ),
)
offsets = st.one_of(
    st.sampled_from(
        [timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1), DAY, -DAY, -30 * DAY]
    ),
    st.timedeltas(timedelta(days=-800), timedelta(days=40)),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A member to be; offsets are from the moment asked about."""

    status: str
    locale: str
    channel: str
    birth: date | None
    enrolled: timedelta
    purchases: list[timedelta]
    tiers: list[tuple[timedelta, str]]
    from_tier: str | None
    tags: dict[str, tuple[timedelta, timedelta | None]]
    segments: set[str]
    scores: dict[str, tuple[str, Decimal | None]]
    identifiers: dict[str, tuple[timedelta, timedelta | None]]
    consents: list[tuple[str, bool, timedelta]]


examples = st.builds(
    Example,
    status=st.sampled_from(["active", "active", "active", "suspended", "closed", "erased"]),
    locale=texts,
    channel=texts,
    birth=st.one_of(st.sampled_from(BIRTHS), st.dates(date(1900, 1, 1), date(2026, 1, 1))),
    enrolled=offsets,
    purchases=st.lists(offsets, max_size=4),
    tiers=st.lists(
        st.tuples(offsets, st.sampled_from(["bronze", "silver", "gold"])),
        max_size=3,
        unique_by=lambda each: each[0],
    ),
    from_tier=st.sampled_from([None, "", "silver"]),
    tags=st.dictionaries(
        st.sampled_from(TAGS),
        st.tuples(offsets, st.none() | st.timedeltas(timedelta(microseconds=1), 900 * DAY)),
    ),
    segments=st.sets(st.sampled_from(SEGMENTS)),
    scores=st.dictionaries(
        st.sampled_from(["rfm", "stage", "clv"]),
        st.tuples(
            st.sampled_from(["champions", "silent", "new"]),
            st.none() | st.decimals(-1000, 1000, places=6),
        ),
    ),
    identifiers=st.dictionaries(
        st.sampled_from(["email", "phone", "card"]), st.tuples(offsets, st.none() | offsets)
    ),
    consents=st.lists(
        st.tuples(st.sampled_from(["email", "sms"]), st.booleans(), offsets), max_size=4
    ),
)


def open_segments(program: Program) -> None:
    """Make the segments that members may be in."""
    for code in SEGMENTS:
        Segment.objects.create(program=program, code=code, is_retired=code == "retired")


def settle(program: Program, people: Sequence[Example], moment: datetime) -> list[Member]:
    """Write the members with all their rows."""
    tiers = {row.code: row for row in Tier.objects.all()}
    segments = {row.code: row for row in Segment.objects.all()}
    made = [_member(program, each, moment) for each in people]
    Member.objects.bulk_create(made)
    for member, each in zip(made, people, strict=True):
        Purchase.objects.bulk_create(
            _purchase(program, member, moment + at) for at in each.purchases
        )
        TierMembership.objects.bulk_create(_stays(member, each, tiers, moment))
        MemberTag.objects.bulk_create(
            MemberTag(
                member=member,
                tag=tag,
                actor="x",
                tagged_at=moment + at,
                expires_at=None if lasts is None else moment + at + lasts,
            )
            for tag, (at, lasts) in each.tags.items()
        )
        SegmentMembership.objects.bulk_create(
            SegmentMembership(segment=segments[code], member=member, entered_at=moment)
            for code in each.segments
        )
        MemberScore.objects.bulk_create(
            MemberScore(member=member, code=code, text=text, value=value, computed_at=moment)
            for code, (text, value) in each.scores.items()
        )
        Identifier.objects.bulk_create(
            Identifier(
                program=program,
                member=member,
                kind=kind,
                value=f"{kind}-{next(_numbers)}",
                added_at=moment + at,
                verified_at=None if verified is None else moment + verified,
            )
            for kind, (at, verified) in each.identifiers.items()
        )
        ConsentRecord.objects.bulk_create(
            ConsentRecord(
                member=member,
                purpose="marketing",
                channel=channel,
                granted=granted,
                text_version="1",
                source="x",
                at=moment + at,
            )
            for channel, granted, at in each.consents
        )
    return made


def _member(program: Program, each: Example, moment: datetime) -> Member:
    is_erased = each.status == "erased"
    return Member(
        program=program,
        number=f"{next(_numbers):012}",
        status=each.status,
        locale=each.locale,
        source_channel=each.channel,
        birth_date=None if is_erased else each.birth,
        erased_at=moment if is_erased else None,
        enrolled_at=moment + each.enrolled,
        recorded_at=moment,
        changed_at=moment,
    )


def _purchase(program: Program, member: Member, at: datetime) -> Purchase:
    return Purchase(
        program=program,
        source="pos",
        external_id=f"S-{next(_numbers)}",
        content_key=b"",
        member=member,
        occurred_at=at,
        recorded_at=at,
        currency="EUR",
        net=Decimal(1),
    )


def _stays(
    member: Member, each: Example, tiers: dict[str, Tier], moment: datetime
) -> list[TierMembership]:
    ordered = sorted(each.tiers)
    ends = [moment + at for at, _ in ordered[1:]]
    return [
        TierMembership(
            member=member,
            tier=tiers[code],
            starts_at=moment + at,
            ends_at=end,
            evidence={} if each.from_tier is None else {"from_tier": each.from_tier},
            recorded_at=moment,
        )
        for (at, code), end in zip(ordered, [*ends, None], strict=False)
    ]


def _comparisons(attr: str, values: Any, *, ordered: bool, text: bool = False) -> Any:
    def leaf(op: str, value: Any) -> dict[str, Any]:
        return {"attr": attr, "op": op, "value": value}

    plain = ["eq", "ne", *(("gt", "gte", "lt", "lte") if ordered else ())]
    kinds = [
        st.builds(leaf, st.sampled_from(plain), values),
        st.builds(
            leaf, st.sampled_from(["in", "not_in"]), st.lists(values, min_size=1, max_size=3)
        ),
        st.builds(leaf, st.just("exists"), st.booleans()),
        st.builds(leaf, st.just("between"), st.lists(values, min_size=2, max_size=2)),
    ]
    if text:
        kinds.append(st.builds(leaf, st.just("contains"), values))
    return st.one_of(kinds)


def _sets(attr: str, values: Any) -> Any:
    def leaf(op: str, value: Any) -> dict[str, Any]:
        return {"attr": attr, "op": op, "value": value}

    return st.one_of(
        st.builds(leaf, st.just("contains"), values),
        st.builds(
            leaf, st.sampled_from(["in", "not_in"]), st.lists(values, min_size=1, max_size=3)
        ),
        st.builds(leaf, st.just("exists"), st.booleans()),
    )


_days = st.one_of(st.sampled_from([-1, 0, 1, 30]), st.integers(-50, 900))
_figures = st.decimals(-1000, 1000, places=6).map(str)
LEAVES: Final[dict[str, Any]] = {
    "member.tier": _comparisons(
        "member.tier",
        st.sampled_from(["bronze", "silver", "gold", "none"]),
        ordered=True,
        text=True,
    ),
    "member.status": _comparisons(
        "member.status", st.sampled_from(["active", "closed", "a"]), ordered=True, text=True
    ),
    "member.locale": _comparisons("member.locale", texts, ordered=True, text=True),
    "member.source_channel": _comparisons("member.source_channel", texts, ordered=True, text=True),
    "member.days_since_purchase": _comparisons("member.days_since_purchase", _days, ordered=True),
    "member.days_since_enrolment": _comparisons("member.days_since_enrolment", _days, ordered=True),
    "member.purchases_count": _comparisons(
        "member.purchases_count", st.integers(-1, 5) | st.just(10**30), ordered=True
    ),
    "member.age": _comparisons("member.age", st.integers(-1, 101), ordered=True),
    "member.segment": _sets("member.segment", st.sampled_from(SEGMENTS)),
    "member.tag": _sets("member.tag", st.sampled_from([*TAGS, "none", "caf\u00e9"])),
    "member.rfm": _comparisons(
        "member.rfm", st.sampled_from(["champions", "new"]), ordered=True, text=True
    ),
    "member.stage": _comparisons(
        "member.stage", st.sampled_from(["silent", "new"]), ordered=True, text=True
    ),
    "member.identifier": _sets("member.identifier", st.sampled_from(["email", "card", "x"])),
    "member.identifier_verified": _sets(
        "member.identifier_verified", st.sampled_from(["email", "phone"])
    ),
    "member.consent": _sets(
        "member.consent", st.sampled_from(["marketing:email", "marketing:sms", "x"])
    ),
    "member.score.clv": _comparisons("member.score.clv", _figures, ordered=True),
}

trees: Any = st.recursive(
    st.one_of(list(LEAVES.values())),
    lambda inner: st.one_of(
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda each: {"all": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)
