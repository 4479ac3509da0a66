"""Drafts and states of campaigns, attacked by hand as the site's role and as the owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from campaigns import lifecycle
from campaigns.lifecycle import State
from members.tests.books import NOON, Connection, scalar

pytestmark = pytest.mark.ledger

ONE = "INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"


def insert(x: Connection, table: str, **values: Any) -> int:
    """Write a row; return its id."""
    statement = ONE.format(
        table=table, names=", ".join(values), marks=", ".join(["%s"] * len(values))
    )
    row: int = scalar(x, statement, *values.values())
    return row


class Stage:
    """A program with a campaign, and two people of the staff."""

    def __init__(self, connection: Connection) -> None:
        self.x = connection
        self.program = insert(
            connection,
            "members_program",
            **{"code": "main", "name": "Club", "currency": "EUR", "timezone": "UTC"},
            **{"locale": "en", "claim_days": 30, "document": Jsonb({}), "version": 1},
            **{"tier_policy": Jsonb({})},
        )
        self.campaign = self.a_campaign("one", "draft")
        self.ann, self.ben = self.person("ann"), self.person("ben")

    def a_campaign(self, code: str, status: str) -> int:
        """Write a campaign."""
        return insert(
            self.x,
            "campaigns_campaign",
            **{"public_id": scalar(self.x, "SELECT gen_random_uuid()"), "code": code},
            **{"program_id": self.program, "name": Jsonb({}), "status": status},
            is_retired=False,
        )

    def person(self, name: str) -> int:
        """Write a login of staff."""
        return insert(
            self.x,
            "members_user",
            **{"email": f"{name}@example.com", "password": "", "is_staff": True},
            **{"is_superuser": False, "is_active": True, "date_joined": NOON},
        )

    def draft(self, budget: int | None = None, **columns: Any) -> int:
        """Write a draft of ann's."""
        values = {
            **{"campaign_id": self.campaign, "state": "draft", "base_version": 1, "goal": ""},
            **{"body": Jsonb({"code": "one", "budget_points": budget}), "answer": ""},
            **{"author_id": self.ann, "created_at": NOON, "edited_by_id": self.ann},
            **{"edited_at": NOON, "limit_points": 10**9},
        }
        return insert(self.x, "campaigns_campaigndraft", **{**values, **columns})

    def version(self, campaign: int | None = None) -> int:
        """Write a version of the campaign."""
        return insert(
            self.x,
            "campaigns_campaignversion",
            **{"campaign_id": campaign or self.campaign, "number": 1, "body": Jsonb({})},
            **{"published_at": NOON, "actor": ""},
        )

    def move(self, draft: int, **columns: Any) -> None:
        """Change a draft by hand."""
        pairs = ", ".join(f"{name} = %s" for name in columns)
        self.x.execute(
            f"UPDATE campaigns_campaigndraft SET {pairs} WHERE id = %s".encode(),
            (*columns.values(), draft),
        )

    def publish(self, draft: int, **columns: Any) -> None:
        """Say that a draft is published."""
        self.move(draft, state="published", version_id=self.version(), **columns)

    def submit(self, draft: int) -> int:
        """Say that a draft is in review."""
        self.move(draft, state="in_review", submitted_at=NOON)
        return draft


@pytest.fixture(params=["site_connection", "owner_connection"])
def stage(request: pytest.FixtureRequest) -> Stage:
    """Return a stage for each of the two roles."""
    return Stage(request.getfixturevalue(request.param))


Attack = Callable[[Stage], Any]

ATTACKS: list[tuple[str, Attack, str]] = [
    (
        "start without a budget alone",
        lambda s: s.publish(s.draft()),
        "campaigns_campaigndraft_above_limit",
    ),
    (
        "start above the limit alone",
        lambda s: s.publish(s.draft(10_001)),
        "campaigns_campaigndraft_above_limit",
    ),
    (
        "name an approver of what nobody reviewed",
        lambda s: s.publish(s.draft(), decided_by_id=s.ben, decided_at=NOON),
        "campaigns_campaigndraft_course",
    ),
    (
        "name an approver while it is a draft",
        lambda s: s.move(s.draft(), decided_by_id=s.ben, decided_at=NOON),
        "campaigns_campaigndraft_course",
    ),
    (
        "publish what is in review without an approver",
        lambda s: s.publish(s.submit(s.draft(1))),
        "campaigns_campaigndraft_course",
    ),
    (
        "approve one's own draft",
        lambda s: s.publish(s.submit(s.draft()), decided_by_id=s.ann, decided_at=NOON),
        "campaigns_campaigndraft_two_people",
    ),
    (
        "approve what one edited",
        lambda s: s.publish(
            s.submit(s.draft(edited_by_id=s.ben)), decided_by_id=s.ben, decided_at=NOON
        ),
        "campaigns_campaigndraft_two_people",
    ),
    (
        "change what is in review",
        lambda s: s.move(s.submit(s.draft()), body=Jsonb({"code": "one", "budget_points": 1})),
        "campaigns_campaigndraft_course",
    ),
    (
        "change it by the publication",
        lambda s: s.publish(s.draft(1), body=Jsonb({"code": "one", "budget_points": None})),
        "campaigns_campaigndraft_course",
    ),
    (
        "hide who edited it",
        lambda s: s.move(s.submit(s.draft()), edited_by_id=s.ben),
        "campaigns_campaigndraft_course",
    ),
    (
        "give it another author",
        lambda s: s.move(s.draft(), author_id=s.ben),
        "campaigns_campaigndraft_course",
    ),
    (
        "begin in review",
        lambda s: s.draft(state="in_review"),
        "campaigns_campaigndraft_course",
    ),
    (
        "publish without a version",
        lambda s: s.move(s.draft(1), state="published"),
        "campaigns_campaigndraft_published",
    ),
    (
        "publish as the version of another campaign",
        lambda s: s.move(
            s.draft(1), state="published", version_id=s.version(s.a_campaign("two", "draft"))
        ),
        "campaigns_campaigndraft_own",
    ),
    (
        "write a draft of another code",
        lambda s: s.draft(body=Jsonb({"code": "two", "budget_points": 1})),
        "campaigns_campaigndraft_own",
    ),
    (
        "open two drafts",
        lambda s: (s.draft(), s.draft()),
        "campaigns_campaigndraft_one_open",
    ),
    (
        "write nobody's draft",
        lambda s: s.draft(author_id=None),
        "campaigns_campaigndraft_written",
    ),
    (
        "begin a campaign in review",
        lambda s: s.a_campaign("two", "in_review"),
        "campaigns_campaign_course",
    ),
]


@pytest.mark.parametrize(("_case", "attack", "constraint"), ATTACKS, ids=[a[0] for a in ATTACKS])
def test_an_attack_on_a_draft_is_refused_by_name(
    _case: str, attack: Attack, constraint: str, stage: Stage
) -> None:
    with pytest.raises(psycopg.IntegrityError) as refusal:
        attack(stage)

    assert refusal.value.diag.constraint_name == constraint
    assert (refusal.value.sqlstate or "").startswith("23")


def a_second_campaign(stage: Stage, author: int, at: datetime) -> int:
    """Publish half the limit of one campaign for ann; return a draft of as much of another."""
    stage.publish(stage.draft(5000))
    other = stage.a_campaign("two", "draft")
    body = Jsonb({"code": "two", "budget_points": 5001})
    draft = stage.draft(
        campaign_id=other, body=body, author_id=author, edited_by_id=author, base_version=2
    )
    version = insert(
        stage.x,
        "campaigns_campaignversion",
        **{"campaign_id": other, "number": 1, "body": Jsonb({}), "published_at": at, "actor": ""},
    )
    stage.move(draft, state="published", version_id=version)
    return draft


def test_a_large_budget_is_not_had_in_parts_by_one_person_within_a_day(stage: Stage) -> None:
    with pytest.raises(psycopg.IntegrityError) as refusal:
        a_second_campaign(stage, stage.ann, NOON + timedelta(hours=23))

    assert refusal.value.diag.constraint_name == "campaigns_campaigndraft_above_limit"


@pytest.mark.parametrize(
    ("_case", "who", "hours"), [("the day after", "ann", 24), ("another", "ben", 1)]
)
def test_another_day_and_another_person_have_limits_of_their_own(
    _case: str, who: str, hours: int, stage: Stage
) -> None:
    a_second_campaign(stage, getattr(stage, who), NOON + timedelta(hours=hours))

    states = stage.x.execute(b"SELECT DISTINCT state FROM campaigns_campaigndraft").fetchall()
    assert states == [("published",)]


def test_the_limit_and_the_budget_are_not_what_the_writer_says(stage: Stage) -> None:
    draft = stage.draft(10_000, budget_points=1)

    stage.publish(draft)

    found = stage.x.execute(
        b"SELECT state, budget_points, limit_points FROM campaigns_campaigndraft"
    ).fetchone()
    assert found == ("published", 10_000, 10_000)


def test_what_the_attacks_do_is_taken_from_a_second_person(stage: Stage) -> None:
    """The negative control: the same publication, in the order of the course."""
    draft = stage.submit(stage.draft())

    stage.publish(draft, decided_by_id=stage.ben, decided_at=NOON)

    assert scalar(stage.x, "SELECT state FROM campaigns_campaigndraft") == "published"


def test_the_database_knows_the_same_steps_as_the_table(owner_connection: Connection) -> None:
    stage = Stage(owner_connection)
    starts = [state for state in State if state is not State.IN_REVIEW]
    rows: dict[State, int] = {each: stage.a_campaign(f"from-{each}", each) for each in starts}
    rows[State.IN_REVIEW] = stage.a_campaign("from-in-review", "draft")
    move = b"UPDATE campaigns_campaign SET status = %s WHERE id = %s"
    owner_connection.execute(move, ("in_review", rows[State.IN_REVIEW]))

    legal = set()
    for before, after in product(State, State):
        try:
            with owner_connection.transaction(force_rollback=True):
                owner_connection.execute(move, (after, rows[before]))
                legal.add((str(before), str(after)))
        except psycopg.IntegrityError:
            continue

    assert legal - {(str(state), str(state)) for state in State} == set(lifecycle.pairs())


@pytest.mark.parametrize("table", ["campaigns_campaignversion", "campaigns_campaignstep"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_was_is_never_rewritten(statement: str, table: str, stage: Stage) -> None:
    with pytest.raises((psycopg.IntegrityError, psycopg.errors.InsufficientPrivilege)):
        stage.x.execute(statement.format(table).encode())
