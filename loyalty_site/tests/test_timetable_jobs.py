"""Every task of the timetable ends in the same state, run once, twice, late, or killed within.

The table names what each task has to change in the prepared club, so that a task without a row
fails, and so does a row whose task finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from campaigns.bodies import parse_purchase, parse_return
from campaigns.models import AnnouncedChange
from campaigns.programfile import parse
from campaigns.queries import rulebook
from campaigns.services import intake, returns
from campaigns.services import program as program_service
from loyalty_site.tests import club
from loyalty_site.timetable import TIMETABLE
from members.models import (
    Member,
    PartnerMovement,
    PointBatch,
    PointCurrency,
    Program,
    User,
)
from members.queries.program import point_currency
from members.services import (
    batches,
    ledger,
    partner_terms,
    partners,
    pool_ends,
    pool_points,
    pools,
    transfers,
)
from members.services.enrolment import enrol
from members.tests.people import earn
from members.tests.test_jobs import _write_what_is_old
from rewards.services import redemptions

NOW = club.NOW
DAY = club.DAY
YEAR_AGO = NOW - 400 * DAY
LATE = NOW + 3 * DAY
# What a killed worker had claimed is given to another one after a while.
RECOVERED = LATE + timedelta(hours=1)

STATE = {
    "balances": "SELECT member_id, currency_id, kind, balance FROM members_ledgeraccount"
    " WHERE keeps_balance ORDER BY 1, 2, 3",
    "lots": "SELECT account_id, points, remaining, expires_at FROM members_pointlot"
    " ORDER BY 1, 4, 2, 3",
    "transactions": "SELECT t.type, t.member_id, t.occurred_at, e.account_id, e.points"
    " FROM members_ledgertransaction t JOIN members_ledgerentry e ON e.transaction_id = t.id"
    " ORDER BY 2, 3, 1, 4, 5",
    "tiers": "SELECT member_id, tier_id, starts_at, ends_at, valid_until"
    " FROM members_tiermembership WHERE superseded_at IS NULL ORDER BY 1, 3",
    "messages": "SELECT member_id, kind, title FROM members_message ORDER BY 1, 2, 3",
    "told": "SELECT kind, member_id, delivered_at IS NULL FROM members_outboxevent"
    " ORDER BY 1, 2, 3",
    "notices": "SELECT account_id, ends_at, days, points FROM members_expirynotice"
    " ORDER BY 1, 2, 3",
    "keys": "SELECT key FROM members_idempotencyrecord ORDER BY 1",
    "sessions": "SELECT session_key FROM django_session ORDER BY 1",
    "tokens": "SELECT hash FROM allauth_idp_oidc_token ORDER BY 1",
    "redemptions": "SELECT member_id, state FROM rewards_redemption ORDER BY 1, 2",
    "stock": "SELECT code, stock FROM rewards_reward ORDER BY 1",
    "returns": "SELECT external_id, state, points FROM members_return ORDER BY 1",
    "segments": "SELECT s.code, m.member_id FROM members_segmentmembership m"
    " JOIN members_segment s ON s.id = m.segment_id ORDER BY 1, 2",
    "scores": "SELECT member_id, code, text, value FROM members_memberscore ORDER BY 1, 2",
    "tags": "SELECT member_id, tag FROM members_membertag ORDER BY 1, 2",
    "announced": "SELECT a.path, a.taken_at IS NULL, r.points_price"
    " FROM campaigns_announcedchange a JOIN rewards_reward r ON r.code = a.code ORDER BY 1",
    "campaigns": "SELECT c.code, c.status, count(s.id) FROM campaigns_campaign c"
    " LEFT JOIN campaigns_campaignstep s ON s.campaign_id = c.id GROUP BY 1, 2 ORDER BY 1",
    "occasions": "SELECT e.member_id, e.type, e.occurred_at, a.points FROM campaigns_event e"
    " LEFT JOIN campaigns_award a ON a.event_id = e.id ORDER BY 1, 2, 3",
    "marks": "SELECT trigger FROM campaigns_occasionmark ORDER BY 1",
    "transfers": "SELECT sender_id, recipient_id, points, state FROM members_transfer"
    " ORDER BY 1, 2, 3",
    "batches": "SELECT line, state FROM members_pointbatchrow ORDER BY 1",
    "pairs": "SELECT first_id, second_id, score, state FROM members_mergecandidate ORDER BY 1, 2",
    "statements": "SELECT month, movements, points_given, net_amount, closed_at IS NULL"
    " FROM members_partnerstatement ORDER BY 1",
    "hearts": "SELECT name FROM members_heartbeat ORDER BY 1",
    # Nothing can be sealed before the transaction of this test is over; test_sealing.py does.
    "sealing": "SELECT count(*) FROM members_sealingstate",
    "proofs": "SELECT DISTINCT name, failure FROM members_jobrun WHERE name = 'verify_ledger'",
}
# What each task changes, by the names above.
CHANGES = {
    "members.tasks.activate_points": "balances",
    "members.tasks.expire_points": "lots",
    "members.tasks.tell_of_ends": "notices",
    "members.tasks.complete_transfers": "transfers",
    "members.tasks.share_with_pools": "lots",
    "members.tasks.sweep_pools": "lots",
    "members.tasks.propose_statements": "statements",
    "rewards.tasks.release_holds": "redemptions",
    "members.tasks.post_batches": "batches",
    "members.tasks.regrade_tiers": "tiers",
    "members.tasks.deliver_outbox": "messages",
    "campaigns.tasks.retry_parked_returns": "returns",
    "campaigns.tasks.refresh_segments": "segments",
    "members.tasks.score_members": "scores",
    "campaigns.tasks.take_announced": "announced",
    "campaigns.tasks.move_campaigns": "campaigns",
    "campaigns.tasks.note_occasions": "occasions",
    "members.tasks.find_duplicates": "pairs",
    "members.tasks.beat_heartbeat": "hearts",
    "members.tasks.seal_ledger": "sealing",
    "members.tasks.verify_ledger": "proofs",
    "members.tasks.purge_idempotency_records": "keys",
    "members.tasks.purge_outbox": "told",
    "members.tasks.purge_tokens": "tokens",
}
# Places of a run at which it dies, as parts of its statements.
DEATHS = (0.05, 0.35, 0.65, 0.95)


class Killed(BaseException):
    """The process is gone: no handler of errors runs."""


class Blade:
    """Counts the statements of a run, and kills it before the one that is named."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self.last = last

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Execute, or die."""
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.count += 1
            if self.last is not None and self.count >= self.last:
                self.last = None
                raise Killed
        return execute(sql, params, many, context)


@pytest.fixture
def prepared(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open a club in which every task has something to do."""
    club.open_club(moment=YEAR_AGO)
    # Silver until a year later, and points that have ended meanwhile.
    ana = club.join("Ana", at=YEAR_AGO)
    club.buy(ana, "1300.00", at=YEAR_AGO + DAY)
    # Points of five weeks before their end, for which one notice is due, and stays the one.
    ivo = club.join("Ivo", at=NOW - 356 * DAY)
    club.buy(ivo, "80.00", at=NOW - 355 * DAY)
    # Whoever moves a member's points does what is due on them, so that this is another one.
    rui = club.join("Rui", at=NOW - 70 * DAY)
    club.buy(rui, "500.00", at=NOW - 60 * DAY)
    for card in ("6011999001", "6011999002"):
        enrol(
            identifiers=[("card", card)],
            moment=NOW - DAY,
            actor="client:till",
            first_name="Eva",
            last_name="Sol",
            birth_date=date(1990, 2, 28),
        )
    _wait_for_returns(NOW - 50 * DAY)
    club.buy(rui, "200.00", at=NOW - 20 * DAY)
    _leave_a_return_parked(rui, monkeypatch)
    _hold(rui, at=NOW - 8 * DAY)
    _send_points(at=NOW - 7 * DAY)
    _hold_points_together(at=NOW - 6 * DAY)
    _get_points_from_a_partner(at=NOW - 45 * DAY)
    _leave_a_batch()
    _announce_a_price(at=NOW - 29 * DAY)
    _write_what_is_old(connection.connection)


def _announce_a_price(*, at: datetime) -> None:
    AnnouncedChange.objects.create(
        program=Program.objects.get(),
        kind="reward_price",
        code="coffee",
        path="rewards.coffee.points_price",
        before=150,
        after=160,
        notice_days=30,
        announced_at=at,
        effective_at=at + 31 * DAY,
    )


def _leave_a_batch() -> None:
    """Bring balances of somebody who does nothing else, and leave their posting to the job."""
    bea = club.join("Bea", at=NOW - DAY)
    clerk = User.objects.create_user("clerk@example.com", is_staff=True)
    program = Program.objects.get()
    spec = batches.Spec(
        program=program,
        currency=point_currency(program),
        kind=PointBatch.Kind.IMPORT,
        name="old.csv",
        ending=lambda _moment: None,
    )
    lines = ["member,points", *[f"{bea.number},{points}" for points in (10, 20, 30)]]
    batch = batches.take(spec=spec, lines=lines, by=clerk, moment=NOW - DAY)
    batches.request(batch_id=batch.pk, by=clerk, leaves_out_refused=False, why="", moment=NOW - DAY)


def _wait_for_returns(moment: datetime) -> None:
    text = club.FILE.read_text(encoding="utf-8").replace("pending_days: 0", "pending_days: 14", 1)
    # Whoever joined a year ago is thanked for it.
    thanks = "effects: [{kind: earn_fixed, currency: points, points: 5}]"
    text = text.replace(
        "\nrules:\n", f"\nrules:\n  - {{code: year, trigger: anniversary, {thanks}}}\n"
    )
    program_service.apply(document=parse(text), moment=moment)
    rulebook.forget()


def _hold(member: Member, *, at: datetime) -> None:
    order = redemptions.Order(
        member=member, reward="coffee", mode="hold", hold_minutes=5, caller="client:till"
    )
    redemptions.redeem(program=Program.objects.get(), order=order, moment=at)


def _send_points(*, at: datetime) -> None:
    terms = {
        **{"minimum": 1, "maximum": 100, "daily_cap": 100, "tenure_days": 0},
        **{"fee": {"percent": "0", "fixed": 5, "rounding": "up"}, "require_verified": False},
        **{"cooling_hours": 24, "confirm_above": 100},
    }
    PointCurrency.objects.filter(code="points").update(transfers=terms)
    eva, zoe = club.join("Eva", at=NOW - 40 * DAY), club.join("Zoe", at=NOW - 40 * DAY)
    # Its points do not wait for returns any more.
    club.buy(eva, "90.00", at=NOW - 30 * DAY)
    transfers.request(sender=eva, to=zoe.number, points=60, actor="test", moment=at)


def _hold_points_together(*, at: datetime) -> None:
    """Leave a share of an earn to the job, and points that came back for somebody who left."""
    terms = {
        **{"kind": "household", "members_max": 6, "share_pct": 50, "cap": None},
        **{"tenure_days": 0, "redeem": ["owner", "adult"]},
    }
    Program.objects.update(pools={"household": terms})
    lea, leo = club.join("Lea", at=NOW - 40 * DAY), club.join("Leo", at=NOW - 40 * DAY)
    club.buy(leo, "90.00", at=NOW - 30 * DAY)
    pool = pools.found(member_id=lea.pk, kind="household", name="", actor="test", moment=at)
    _row, code = pools.invite(member_id=lea.pk, role="adult", actor="test", moment=at)
    pools.join(member_id=leo.pk, code=code, actor="test", moment=at)
    pool_points.contribute(member_id=leo.pk, points=60, ref="1", actor="test", moment=at)
    hold = ledger.Debit(
        member_id=pool.holder_id,
        currency_id=pool.currency_id,
        points=60,
        type="hold",
        external_ref="held-together",
        actor="test",
        hold_expires_at=at + timedelta(minutes=5),
    )
    ledger.debit(wanted=hold, occurred_at=at, recorded_at=at)
    pool_ends.leave(member_id=leo.pk, actor="test", moment=at)
    lapsed = at + timedelta(minutes=5)
    ledger.settle_due(member_ids=[pool.holder_id], moment=lapsed, recorded_at=lapsed, actor="test")
    # A purchase of these days would wait for returns.
    earn(lea, 40, at=at + timedelta(hours=1))


def _get_points_from_a_partner(*, at: datetime) -> None:
    rate = {"starts_at": YEAR_AGO.isoformat(), "rate_in": None, "rate_out": None}
    row = {
        **{"code": "air", "name": {"en": "Air"}, "unit": None, "currency": "points"},
        **{"funding": "postpaid", "rates": [{**rate, "price_in": "0.01", "price_out": "0"}]},
    }
    program = Program.objects.get()
    partner_terms.apply_partners(program=program, rows=[row], moment=YEAR_AGO)
    wish = partners.Wish(
        partner=program.partners.get(),
        member=club.join("Noa", at=YEAR_AGO),
        kind=PartnerMovement.Kind.CREDIT,
        external_id="flight",
        amount=Decimal(300),
        actor="test",
    )
    partners.move(wish=wish, moment=at)


def _leave_a_return_parked(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what a fault would leave: a return that waits, and its purchase beside it."""
    at = (NOW - 9 * DAY).isoformat()
    name = {"source": "till-1", "external_id": "not-yet"}
    early = {"source": "till-1", "external_id": "early", "occurred_at": at, "purchase": name}
    returns.process_return(body=parse_return(early), actor="client:till", moment=NOW - 9 * DAY)
    bought = {
        **{**name, "occurred_at": at, "currency": "EUR", "member": {"id": str(member.public_id)}},
        "lines": [{"line_id": "1", "quantity": "1", "unit_price": "30.00"}],
    }
    with monkeypatch.context() as patched:
        patched.setattr(returns, "apply_parked", lambda **_: 0)
        intake.process_purchase(
            body=parse_purchase(bought), actor="client:till", moment=NOW - 9 * DAY
        )


@contextmanager
def undone() -> Iterator[None]:
    """Take back what is written within, so that the next way starts from the same state."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def state() -> dict[str, Any]:
    """Return all that a task may change, without numbers that a sequence gives."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for name, sql in STATE.items():
            cursor.execute(sql)
            found[name] = cursor.fetchall()
    return found


def run(task: str, at: datetime, last: int | None = None) -> int:
    """Run a task at a moment, until before a statement; return how many it executed."""
    module, _, name = task.rpartition(".")
    blade = Blade(last)
    with time_machine.travel(at, tick=False), connection.execute_wrapper(blade):
        getattr(import_module(module), name)()
    return blade.count


@pytest.mark.parametrize("task", [entry.task for entry in TIMETABLE])
def test_task_ends_in_the_same_state(task: str, prepared: None) -> None:
    before = state()
    with undone():
        statements = run(task, LATE)
        once = state()
    assert once[CHANGES[task]] != before[CHANGES[task]]

    with undone():
        run(task, LATE)
        run(task, LATE)
        assert state() == once, "twice"
    with undone():
        run(task, NOW)
        run(task, NOW + DAY)
        run(task, LATE)
        assert state() == once, "late"
    for part in DEATHS:
        with undone():
            with pytest.raises(Killed):
                run(task, LATE, max(1, int(statements * part)))
            run(task, RECOVERED)
            assert state() == once, f"killed after {part} of its statements"
