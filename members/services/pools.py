"""Pools: how one is founded, and how others are let in.

Locks are taken in one order: the accounts of the member and of the pool, then memberships and
invitations. Whoever changes who is in a pool holds the accounts of both.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta

from django.db import transaction

from loyalty_site.lib.errors import DomainError
from members.models import LedgerTransaction, Member, Pool, PoolInvite, PoolMembership
from members.pooling import Joiner, reasons_against_joining, terms_of
from members.queries import pools as reading
from members.queries.program import point_currency
from members.services import ledger, pool_points
from members.services.accounts import open_accounts
from members.services.pool_points import refusal

Role = PoolMembership.Role
INVITE_LASTS = timedelta(days=7)
INVITES_MAX = 20
# Letters and digits that nobody takes for one another.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LENGTH = 12


class NotYourPool(DomainError):
    """Only the owner of the pool may do it."""

    code = "not_your_pool"
    status = 403
    title = "Only the owner of the pool can do this"
    cause = "The member is in the pool as an adult or a child."
    remedy = "Ask the owner of the pool."


class InviteUnknown(DomainError):
    """The code lets nobody in."""

    code = "invite_unknown"
    title = "The code of the invitation is not good"
    cause = "It was mistyped, used, or is older than seven days."
    remedy = "Ask the owner of the pool for another."
    is_stored_refusal = True


@transaction.atomic
def found(*, member_id: int, kind: str, name: str, actor: str, moment: datetime) -> Pool:
    """Return a new pool that the member owns, with no points.

    :raises PoolRefused: the program has no such pools, or the member cannot found one.
    """
    member = _settled(member_id, [], actor, moment)
    terms = terms_of(member.program.pools, kind)
    against = reasons_against_joining(terms, _joiner(member), moment=moment)
    if against or terms is None:
        raise refusal(against, days=terms.tenure_days if terms else 0)
    holder = Member.objects.create(
        program=member.program,
        number=f"P{secrets.token_hex(7)}",
        status=Member.Status.POOL,
        enrolled_at=moment,
        recorded_at=moment,
        changed_at=moment,
    )
    open_accounts([holder.pk])
    pool = Pool.objects.create(
        public_id=uuid.uuid4(),
        program=member.program,
        currency=point_currency(member.program),
        kind=kind,
        name=name.strip()[:80],
        holder=holder,
        founded_at=moment,
        changed_at=moment,
        swept_at=moment,
    )
    _add(pool, member, Role.OWNER, terms.share_pct, moment)
    return pool


@transaction.atomic
def invite(*, member_id: int, role: str, actor: str, moment: datetime) -> tuple[PoolInvite, str]:
    """Return an invitation and its code, which is shown once and lets one person in.

    :raises NotInAPool: the member is in none.
    :raises NotYourPool: somebody else owns it.
    :raises PoolRefused: the pool is complete, or pools were switched off.
    """
    locked = pool_points.lock(member_id=member_id, moment=moment, actor=actor)
    require_owner(locked.membership)
    pool = locked.pool
    terms = terms_of(pool.program.pools, pool.kind)
    if terms is None:
        raise refusal(["pools_off"])
    if len(reading.members_of(pool.pk)) >= terms.members_max:
        raise refusal(["pool_complete"])
    waiting = PoolInvite.objects.filter(pool=pool, used_at=None, expires_at__gt=moment)
    if waiting.count() >= INVITES_MAX:
        raise refusal(["pool_complete"])
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    row = PoolInvite.objects.create(
        pool=pool,
        digest=_digest(code),
        role=role,
        made_at=moment,
        expires_at=moment + INVITE_LASTS,
    )
    return row, f"{code[:4]}-{code[4:8]}-{code[8:]}"


@transaction.atomic
def join(*, member_id: int, code: str, actor: str, moment: datetime) -> PoolMembership:
    """Return the membership of the pool that the code lets the member into; codes work once.

    :raises InviteUnknown: the code is not good.
    :raises PoolRefused: the terms, the pool or another membership stand against it.
    """
    wanted = PoolInvite.objects.select_related("pool").filter(digest=_digest(code)).first()
    if wanted is None:
        raise InviteUnknown
    member = _settled(member_id, [wanted.pool.holder_id], actor, moment)
    row = PoolInvite.objects.select_for_update(no_key=True).get(pk=wanted.pk)
    if row.used_at is not None or row.expires_at <= moment:
        raise InviteUnknown
    pool = Pool.objects.select_related("program").get(pk=row.pool_id)
    terms = terms_of(pool.program.pools, pool.kind)
    against = reasons_against_joining(
        terms,
        _joiner(member),
        moment=moment,
        members=len(reading.members_of(pool.pk)),
        is_closed=pool.closed_at is not None,
    )
    if against or terms is None:
        raise refusal(against, days=terms.tenure_days if terms else 0)
    row.used_at = moment
    row.save(update_fields=["used_at"])
    return _add(pool, member, Role(row.role), terms.share_pct, moment)


@transaction.atomic
def set_share(*, member_id: int, share_pct: int, actor: str, moment: datetime) -> PoolMembership:
    """Return the membership with another share; what was earned until now goes by the old one.

    :raises NotInAPool: the member is in none.
    """
    membership = pool_points.lock(member_id=member_id, moment=moment, actor=actor).membership
    pool_points.share_due(membership=membership, actor=actor, moment=moment)
    membership.share_pct = share_pct
    membership.save(update_fields=["share_pct"])
    return membership


def require_owner(membership: PoolMembership) -> None:
    """Let the act pass for the owner of the pool.

    :raises NotYourPool: it is another member.
    """
    if membership.role != Role.OWNER:
        raise NotYourPool


def _settled(member_id: int, also: list[int], actor: str, moment: datetime) -> Member:
    ledger.settle_due(member_ids=[member_id, *also], moment=moment, recorded_at=moment, actor=actor)
    return Member.objects.select_related("program").get(pk=member_id)


def _joiner(member: Member) -> Joiner:
    is_in = PoolMembership.objects.filter(member=member, left_at=None).exists()
    return Joiner(member.status, member.enrolled_at, is_in)


def _add(
    pool: Pool, member: Member, role: Role, share_pct: int, moment: datetime
) -> PoolMembership:
    newest = LedgerTransaction.objects.filter(member=member).order_by("-pk").first()
    return PoolMembership.objects.create(
        pool=pool,
        member=member,
        role=role,
        share_pct=share_pct,
        joined_at=moment,
        shared_through=newest.pk if newest else 0,
        shared_at=moment,
    )


def _digest(code: str) -> bytes:
    plain = "".join(each for each in code.upper() if each in _ALPHABET)
    return hashlib.sha256(plain.encode()).digest()
