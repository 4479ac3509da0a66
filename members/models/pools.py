"""Points that a household or a company holds together."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from members.models.people import Member
from members.models.program import PointCurrency, Program


class Pool(models.Model):
    """A pool; its points are on the accounts of ``holder``, a member row that is nobody.

    ``members/sql/pools.sql`` keeps it true. Rows are never deleted; one that ended is closed.
    """

    class Kind(models.TextChoices):
        """Who holds points together; the program file has terms for each."""

        HOUSEHOLD = "household"
        COMPANY = "company"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(
        max_length=80, blank=True, default="", db_comment="As its owner calls it; erasable."
    )
    holder = models.OneToOneField(Member, models.PROTECT, related_name="pool_held")
    founded_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()
    swept_through = models.BigIntegerField(
        default=0,
        db_comment="Ledger transaction up to which what came back for those who left was sent on.",
    )
    swept_at = models.DateTimeField(db_comment="When it was.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_pool_kind", condition=Q(kind__in=["household", "company"])
            ),
            models.CheckConstraint(
                name="members_pool_closed_later",
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("founded_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.kind


class PoolMembership(models.Model):
    """Somebody's time in a pool; ended ones are kept, since lots remember their contributor."""

    class Role(models.TextChoices):
        """What somebody may do: an owner invites and removes; the file says who redeems."""

        OWNER = "owner"
        ADULT = "adult"
        CHILD = "child"

    class Ending(models.TextChoices):
        """How it ended."""

        LEFT = "left"
        REMOVED = "removed"
        CLOSED = "closed"
        MERGED = "merged"
        ERASED = "erased"

    pool = models.ForeignKey(Pool, models.PROTECT, related_name="memberships", db_index=False)
    member = models.ForeignKey(
        Member, models.PROTECT, related_name="pool_memberships", db_index=False
    )
    role = models.CharField(max_length=16, choices=Role)
    share_pct = models.PositiveSmallIntegerField(
        db_comment="Percentage of each earn that goes to the pool."
    )
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=16, choices=Ending, blank=True, default="")
    shared_through = models.BigIntegerField(
        default=0, db_comment="Ledger transaction up to which earns were shared."
    )
    shared_at = models.DateTimeField(db_comment="When they were.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(left_at__isnull=True),
                name="members_poolmembership_one_open",
            ),
            models.UniqueConstraint(
                fields=["pool"],
                condition=Q(left_at__isnull=True, role="owner"),
                name="members_poolmembership_one_owner",
            ),
            models.CheckConstraint(
                name="members_poolmembership_share", condition=Q(share_pct__lte=100)
            ),
            models.CheckConstraint(
                name="members_poolmembership_role",
                condition=Q(role__in=["owner", "adult", "child"]),
            ),
            models.CheckConstraint(
                name="members_poolmembership_ended",
                condition=Q(left_at__isnull=True, ending="")
                | (Q(left_at__gte=F("joined_at")) & ~Q(ending="")),
            ),
        ]
        indexes = [
            # Readers: who is in a pool, and who was.
            models.Index(fields=["pool", "joined_at", "id"], name="members_poolmembership_pool"),
            # Reader: the pools that somebody's points may be in.
            models.Index(fields=["member", "-joined_at"], name="members_poolmembership_member"),
        ]

    def __str__(self) -> str:
        return f"{self.role} since {self.joined_at:%Y-%m-%d}"


class PoolInvite(models.Model):
    """A code that lets one person into a pool, once; only its digest is kept."""

    pool = models.ForeignKey(Pool, models.PROTECT, related_name="invites")
    digest = models.BinaryField(max_length=32, unique=True)
    role = models.CharField(max_length=16, choices=PoolMembership.Role)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_poolinvite_role", condition=Q(role__in=["adult", "child"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} until {self.expires_at:%Y-%m-%d}"
