"""What staff, jobs and members among each other do in a club; see ``club_acts``."""

from __future__ import annotations

from functools import partial

import pytest

from campaigns.services import periodic as campaign_jobs
from campaigns.services.erasure import erase_member
from campaigns.tests import club_acts as shopping
from campaigns.tests.club_acts import Act, Touched
from campaigns.tests.club_machine import TRANSFER_FEE, Club, Person, Sent, clerks
from campaigns.tests.club_model import Held, Purse
from loyalty_site.lib.errors import DomainError
from members.lots import InsufficientPoints
from members.models import Approval, LedgerAccount, PointBatch, PointLot, Transfer
from members.services import (
    adjustments,
    approvals,
    batches,
    jobs,
    merging,
    periodic,
    transfer_ends,
    transfers,
    waiting,
)
from members.services.merging import Wanted
from members.services.moving import DebtTooDeep
from members.tests import staff
from members.tests.people import DAY
from rewards.services import holds
from rewards.services.merging import merge_members

# The proof of the books is asked for by itself, and runs are dated by the clock, not by the story.
JOBS = [
    *(job for name, job in periodic.JOBS.items() if name not in {"verify_ledger", "purge_outbox"}),
    *(holds.RELEASE_HOLDS, *campaign_jobs.JOBS.values()),
]

# Points given and taken by hand -------------------------------------------------------------


def adjust(club: Club) -> Touched:
    """Give or take points by hand; what is large waits for a second person, who may refuse."""
    person = club.anybody()
    one, other = clerks(club)
    points = club.chance.choice([-150, -60, -20, 30, 90, 140])
    is_within = club.chance.random() < 0.5
    club.settle(person)
    is_refused = points < 0 and not is_within and person.purse.available < -points
    wish = staff.wish(club.member(person), points, expires_at=None, is_within_balance=is_within)
    try:
        made = adjustments.adjust(wish=wish, by=one, moment=club.now)
        if made.approval.state == Approval.State.REQUESTED:
            if club.chance.random() < 0.3:
                approvals.reject(approval_id=made.approval.pk, by=other, answer="", moment=club.now)
                return [person]
            with pytest.raises(approvals.SamePerson):
                approvals.approve(approval_id=made.approval.pk, by=one, moment=club.now)
            approvals.approve(approval_id=made.approval.pk, by=other, moment=club.now)
    except InsufficientPoints:
        assert is_refused or not club.is_exact
        return [person]
    assert not is_refused or not club.is_exact
    made.refresh_from_db()
    moved = made.moved_points or 0
    if points > 0:
        assert moved == points
        person.purse.give(points)
    else:
        assert not club.is_exact or moved == min(-points, person.purse.available)
        person.purse.available -= moved
    club.adjusted[made.pk] = person.number if points > 0 else -person.number - 1
    return [person]


def reverse_adjustment(club: Club) -> Touched:
    """Undo an adjustment as far as its points are there."""
    if not club.adjusted:
        return []
    key = club.chance.choice(sorted(club.adjusted))
    number = club.adjusted.pop(key)
    is_credit = number >= 0
    row = club.people[number if is_credit else -number - 1]
    if not row.is_there:
        return []
    club.settle(row)
    made = adjustments.reverse(approval_id=key, by=club.ben, moment=club.now)
    moved = made.moved_points or 0
    if is_credit:
        taken = moved - (made.kept_points or 0)
        assert not club.is_exact or taken == min(moved, row.purse.available)
        row.purse.available -= taken
    else:
        row.purse.give(moved)
    return [row]


def bring_balances(club: Club) -> Touched:
    """Bring opening balances of some members in; the job posts them."""
    people = club.chance.sample(club.there(), 2)
    lines = [
        "member,points",
        *(f"{club.member(p).number},{club.chance.randint(1, 99)}" for p in people),
    ]
    spec = batches.Spec(
        program=club.points.program,
        currency=club.points,
        kind=PointBatch.Kind.IMPORT,
        name=f"old-{len(club.batches)}.csv",
        ending=lambda _moment: None,
    )
    try:
        batch = batches.take(spec=spec, lines=lines, by=club.ann, moment=club.now)
    except batches.BatchKnown:
        return []
    batch = batches.request(
        batch_id=batch.pk, by=club.ann, leaves_out_refused=False, why="", moment=club.now
    )
    if batch.state == PointBatch.State.REQUESTED:
        approvals.approve(approval_id=batch.approval_id or 0, by=club.ben, moment=club.now)
    club.batches.append(batch)
    return people


def reverse_batch(club: Club) -> Touched:
    """Undo a batch that was posted; the job takes back what is there."""
    posted = PointBatch.objects.filter(state=PointBatch.State.POSTED).order_by("pk")
    if not posted:
        return []
    batches.reverse(
        batch_id=club.chance.choice(posted).pk, by=club.ben, is_into_debt=False, moment=club.now
    )
    return []


def release_by_hand(club: Club) -> Touched:
    """Make available what waits for the hand of staff."""
    person = club.anybody()
    waits = PointLot.objects.filter(account__member=person.pk, remaining__gt=0)
    waits = waits.exclude(waits_for="").filter(account__kind="pending").order_by("pk")
    if not waits:
        return [person]
    lot = club.chance.choice(waits)
    club.settle(person)
    assert waiting.release_lots(lot_ids=[lot.pk], moment=club.now, actor="staff:1") == lot.remaining
    names = [name for name, each in person.purse.waiting.items() if each.points == lot.remaining]
    # Which of two purchases with the same points it was makes no difference to any figure.
    if club.is_exact:
        person.purse.release(_of_lot(club, lot) or names[0])
    return [person]


def _of_lot(club: Club, lot: PointLot) -> str:
    while lot.moved_from_id is not None:
        lot = PointLot.objects.get(pk=lot.moved_from_id)
    return club.name_of(lot.transaction.external_ref)


# Among members ------------------------------------------------------------------------------


def send(club: Club) -> Touched:
    """Send points to somebody; they are held until they arrive."""
    sender, recipient = club.chance.sample(club.there(), 2)
    points = club.chance.randint(1, 60)
    club.settle(sender)
    purse = sender.purse
    is_refused = purse.debt > 0 or purse.available < points + TRANSFER_FEE
    try:
        row = transfers.request(
            sender=club.member(sender),
            to=club.member(recipient).number,
            points=points,
            actor="test",
            moment=club.now,
        )
    except transfers.TransferRefused:
        assert is_refused or not club.is_exact
        return [sender]
    assert not is_refused or not club.is_exact
    name = str(row.public_id)
    purse.available -= points + TRANSFER_FEE
    purse.holds[name] = Held(points + TRANSFER_FEE, row.completes_at + transfers.GIVE_UP)
    club.sent.append(Sent(row.pk, sender.number, recipient.number, points, name))
    return [sender]


def cancel_sending(club: Club) -> Touched:
    """Take back what is on its way, if its time has not come."""
    if not club.sent:
        return []
    sent = club.sent.pop(club.chance.randrange(len(club.sent)))
    person = club.people[sent.sender]
    club.settle(person)
    row = Transfer.objects.get(pk=sent.pk)
    take_back = partial(
        transfer_ends.cancel,
        public_id=row.public_id,
        actor="test",
        moment=club.now,
        sender_id=person.pk,
    )
    is_late = row.paused_at is None and row.completes_at <= club.now
    if is_late or row.state != Transfer.State.REQUESTED:
        club.sent.append(sent)
        with pytest.raises(transfer_ends.TransferEnded):
            take_back()
        return [person]
    take_back()
    if sent.name in person.purse.holds:
        person.purse.give(person.purse.holds.pop(sent.name).points)
    return [person]


def pause_sending(club: Club) -> Touched:
    """Stop what is on its way, or let it go on."""
    rows = Transfer.objects.filter(state=Transfer.State.REQUESTED).order_by("pk")
    if rows:
        row = club.chance.choice(rows)
        act = transfer_ends.pause if row.paused_at is None else transfer_ends.resume
        act(public_id=row.public_id, actor="staff:1", moment=club.now)
    return []


def erase(club: Club) -> Touched:
    """Let somebody go for good, and somebody else come."""
    if len(club.there()) < 3 or club.chance.random() < 0.5:
        return []
    person = club.anybody()
    member = club.member(person)
    erase_member(member=member, confirm=member.number, actor="test", moment=club.now)
    status = person.purse.status
    person.purse = club.purse_class(status=status)
    person.expired = club.expired(person)
    person.is_erased = True
    return [person, club.join()]


def merge(club: Club) -> Touched:
    """Bring two rows together, unless points are held or too much is owed."""
    if len(club.there()) < 3:
        return []
    one, other = club.chance.sample(club.there(), 2)
    club.settle(one, other)
    if not club.is_exact:
        # What has ended is known before it is poured.
        club.compare([one, other])
    wanted = Wanted(survivor_id=one.pk, merged_id=other.pk, reason="same")
    try:
        row = merge_members(wanted=wanted, by=club.ann, moment=club.now)
    except (merging.CannotMerge, DebtTooDeep) as refusal:
        refused: DomainError | None = refusal
    else:
        refused = None
    # Too deep a debt depends on what is there to pay it.
    if not isinstance(refused, DebtTooDeep):
        assert (refused is not None) == bool(other.purse.holds)
    if refused is not None:
        return [one, other]
    club.merges.append((row.pk, one.number, other.number))
    _pour(one.purse, other.purse)
    other.into = one.number
    return [one, other, club.join()]


def _pour(into: Purse, out: Purse) -> None:
    into.give(out.available)
    paid = into.take(out.debt)
    into.debt += out.debt - paid
    for name, each in out.waiting.items():
        into.wait(
            name,
            each.points + (into.waiting[name].points if name in into.waiting else 0),
            each.until,
        )
    out.available, out.debt, out.waiting = 0, 0, {}


def undo_merge(club: Club) -> Touched:
    """Take two rows apart again: what is still there goes back, and nothing is made or lost."""
    if not club.merges:
        return []
    key, survivor, merged = club.merges.pop()
    one, other = club.people[survivor], club.people[merged]
    if not one.is_there:
        return []
    club.settle(one)
    worth = one.purse.worth
    try:
        merging.undo(merge_id=key, by=club.ann, moment=club.now)
    except (merging.CannotUndoMerge, DebtTooDeep):
        return [one, other]
    other.into = None
    for name in [n for n in one.purse.waiting if n in club.bought]:
        # Also what came to the row by an earlier merge.
        if club.holder(club.bought[name].member) is other:
            other.purse.waiting[name] = one.purse.waiting.pop(name)
    for person in (one, other):
        found = {each.kind: each.balance for each in _accounts(person)}
        person.purse.available, person.purse.debt = found["available"], -found["debt"]
        if not club.is_exact:
            person.purse.adopt(
                available=found["available"], pending=found["pending"], debt=-found["debt"]
            )
    lost = sum(club.expired(person) - person.expired for person in (one, other))
    assert one.purse.worth + other.purse.worth == worth - lost
    for person in (one, other):
        person.expired = club.expired(person)
    return [one, other]


def _accounts(person: Person) -> list[LedgerAccount]:
    return list(LedgerAccount.objects.filter(member=person.pk, currency__code="points"))


# By themselves ------------------------------------------------------------------------------


def pass_time(club: Club) -> Touched:
    """Let time pass; nothing is done for it until the next act."""
    club.now += club.chance.choice([1, 13, 24, 24, 72, 240, 1080]) * DAY / 24
    return []


def change_rules(club: Club) -> Touched:
    """Let purchases give more or less from now on."""
    club.apply(club.chance.randint(1, 3))
    return []


def run_jobs(club: Club) -> Touched:
    """Run every job in any order, and expiry again: nothing that is due is left."""
    for job in club.chance.sample(JOBS, len(JOBS)):
        assert jobs.run(job, moment=club.now).failure == "", job.name
    # Points that arrive late may have ended since: whoever comes next finds that.
    assert jobs.run(periodic.JOBS["expire_points"], moment=club.now).failure == ""
    club.settle(*club.people)
    for sent in list(club.sent):
        _arrived(club, sent)
    for batch in club.batches:
        _posted(club, batch)
    club.compare(club.people, is_settled=True)
    return []


def _arrived(club: Club, sent: Sent) -> None:
    row = Transfer.objects.get(pk=sent.pk)
    if row.state == Transfer.State.REQUESTED:
        return
    club.sent.remove(sent)
    purse = club.people[sent.sender].purse
    kept = purse.holds.pop(sent.name, None)
    if row.state == Transfer.State.COMPLETED:
        assert kept is not None
        club.purse(sent.recipient).give(sent.points)
    elif kept is not None:
        purse.give(kept.points)


def _posted(club: Club, batch: PointBatch) -> None:
    """Tell the model of the rows that the job has posted or reversed since."""
    numbers = {person.pk: person.number for person in club.people}
    for row in batch.rows.order_by("line"):
        told = club.rows.get(row.pk, "")
        if row.state == told:
            continue
        club.rows[row.pk] = row.state
        purse = club.purse(numbers[row.member_id or 0])
        if row.state == "posted":
            purse.give(row.points)
        elif row.state == "reversed":
            taken = row.points - (row.kept_points or 0)
            assert not club.is_exact or taken <= purse.available
            purse.available -= taken


ACTS: list[tuple[int, Act]] = [
    *((12, shopping.buy), (3, shopping.buy_many), (2, shopping.buy_again)),
    *((3, shopping.buy_unknown_and_claim), (5, shopping.buy_with_points)),
    *((12, shopping.bring_back), (2, shopping.bring_back_first)),
    *((8, shopping.redeem), (6, shopping.hold), (5, shopping.capture), (6, shopping.cancel)),
    *((5, adjust), (2, reverse_adjustment), (2, bring_balances), (1, reverse_batch)),
    *((5, release_by_hand), (5, send), (2, cancel_sending), (1, pause_sending)),
    *((1, erase), (2, merge), (1, undo_merge), (10, pass_time), (1, change_rules)),
    (4, run_jobs),
]


def tell_story(seed: str, acts: int, *, club_class: type[Club] = Club) -> Club:
    """Do so many random acts to a new club, comparing after each; return the club."""
    club = club_class(seed)
    weights, choices = zip(*ACTS, strict=True)
    for number in range(acts):
        (act,) = club.chance.choices(choices, weights)
        club.trace.append(f"{number}: {act.__name__} at {club.now}")
        try:
            club.compare(act(club))
        except BaseException as error:
            error.add_note(f"{seed}, {club.terms}\n" + "\n".join(club.trace[-30:]))
            raise
    return club
