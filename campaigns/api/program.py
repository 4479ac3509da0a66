"""The program, for anyone."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.programfile.rule_sections import CAP_SUBJECTS
from campaigns.queries.published import published_program
from loyalty_site.lib import calendars
from loyalty_site.lib.drf import ApiView
from loyalty_site.lib.languages import preferred
from loyalty_site.lib.schema import (
    COUNT,
    INSTANT,
    MONEY,
    PUBLIC,
    TEXT,
    array,
    choice,
    nullable,
    operation,
    record,
)
from members.queries.program import current_program

PROGRAM = record(
    code=TEXT,
    name=TEXT,
    currency=TEXT,
    timezone=TEXT,
    locale=TEXT,
    claim_days=COUNT,
    points=array(
        record(
            code=TEXT,
            kind=choice("redeemable", "qualifying"),
            names={"type": "object", "additionalProperties": {"type": "object"}},
            value=nullable(MONEY),
            pending_days=COUNT,
            pending=nullable({"type": "object"}),
            expiry={"type": "object"},
            returns=record(policy=TEXT, limit=COUNT, grace_days=COUNT),
        )
    ),
    tiers=array(record(code=TEXT, name=TEXT, threshold=COUNT, benefits=array(TEXT))),
    tier_policy=nullable({"type": "object"}),
    caps=array(
        record(
            per=choice(*CAP_SUBJECTS),
            period=choice(*calendars.PERIODS),
            currency=TEXT,
            points=COUNT,
            sentence=TEXT,
        )
    ),
    stacking=array(TEXT),
    changes=array(
        record(
            kind=choice(
                *("reward_price", "reward_value", "point_value", "expiry"),
                *("threshold", "tier_window", "notice"),
            ),
            code=TEXT,
            before=nullable(TEXT),
            after=nullable(TEXT),
            announced_at=INSTANT,
            effective_at=INSTANT,
            sentence=TEXT,
        )
    ),
    rules=array(
        record(
            code=TEXT,
            name=TEXT,
            trigger=TEXT,
            currencies=array(TEXT),
            sentence=TEXT,
            campaign=nullable(
                record(code=TEXT, name=TEXT, starts_at=nullable(INSTANT), ends_at=nullable(INSTANT))
            ),
        )
    ),
)


class ProgramView(ApiView):
    """What the program promises."""

    @operation(
        "get_program",
        "Read the program",
        access=(PUBLIC,),
        tag="program",
        responses={200: PROGRAM},
        problems=(503,),
        conditional=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Return points, tiers, live rules as sentences, and the policies."""
        program = current_program()
        languages = preferred(request.headers.get("Accept-Language", ""), program.locale)
        return self.resource(published_program(program, languages, timezone.now()))
