"""What staff do with points by hand: who asked, who agreed, and what it is about."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models.ledger import LedgerTransaction
from members.models.people import Member, User
from members.models.program import PointCurrency, Program


def staff_column(**options: object) -> models.ForeignKey[User | None, User | None]:
    """Return a column that names a login of staff, and still does so when the login is gone."""
    return models.ForeignKey(
        User,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        **options,  # type: ignore[arg-type]
    )


class ApprovalPolicy(models.Model):
    """How many points of a currency one person of the staff may move without a second one.

    A currency without a row has the figures that ``approval_limits`` in SQL states.
    """

    currency = models.OneToOneField(
        PointCurrency, models.PROTECT, related_name="approval_policy", verbose_name=_("currency")
    )
    points_alone = models.BigIntegerField(
        _("points alone"),
        default=1000,
        help_text=_("An act of more points needs a second person."),
        db_comment="Largest act, in points, that needs no second person.",
    )
    points_daily = models.BigIntegerField(
        _("points a day"),
        default=10_000,
        help_text=_("What one person may move alone in a day of the program."),
        db_comment="Largest sum, in points, of what one person does alone in a local day.",
    )

    class Meta:
        verbose_name_plural = "approval policies"
        constraints = [
            models.CheckConstraint(
                name="members_approvalpolicy_not_negative",
                condition=Q(points_alone__gte=0, points_daily__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"limits of {self.currency_id}"


class Approval(models.Model):
    """One act of staff upon points: asked for, agreed to where it is large, then done.

    ``members/sql/approvals.sql`` holds who may move it, and from which state to which.
    """

    class State(models.TextChoices):
        """How far the act is."""

        REQUESTED = "requested", _("waiting")
        APPROVED = "approved", _("approved")
        POSTED = "posted", _("posted")
        REJECTED = "rejected", _("rejected")
        REVERSED = "reversed", _("reversed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    act = models.CharField(
        max_length=32, db_comment="What is to be done: adjustment, write_off, import ..."
    )
    member = models.ForeignKey(
        Member,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="approvals",
        db_comment="Whose points move; empty for an act upon many members.",
    )
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+")
    points = models.BigIntegerField(db_comment="Points that move, above zero; a sum for a batch.")
    is_credit = models.BooleanField(db_comment="Whether members gain them.")
    limit_points = models.BigIntegerField(
        default=0,
        editable=False,
        db_comment="What one person may do alone, when it was asked; set by the database.",
    )
    why = models.TextField(blank=True, db_comment="For staff; emptied when the member is erased.")
    answer = models.TextField(blank=True, db_comment="What the second person said to it.")
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    requested_by = staff_column()
    requested_at = models.DateTimeField()
    decided_by = staff_column(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    posted_at = models.DateTimeField(null=True, blank=True)
    reversed_by = staff_column(blank=True)
    reversed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="members_approval_points", condition=Q(points__gt=0)),
            models.CheckConstraint(
                name="members_approval_asked", condition=Q(requested_by__isnull=False)
            ),
            # Whoever asked may take it back, which is a rejection.
            models.CheckConstraint(
                name="members_approval_two_people",
                condition=Q(decided_by__isnull=True)
                | Q(state="rejected")
                | ~Q(decided_by=F("requested_by")),
            ),
            models.CheckConstraint(
                name="members_approval_above_limit",
                condition=Q(state__in=["requested", "rejected"])
                | Q(decided_by__isnull=False)
                | Q(points__lte=F("limit_points")),
            ),
            models.CheckConstraint(
                name="members_approval_decided",
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                & ~Q(state__in=["approved", "rejected"])
                | Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(state="requested"),
            ),
            models.CheckConstraint(
                name="members_approval_posted",
                condition=Q(state__in=["posted", "reversed"], posted_at__isnull=False)
                | Q(posted_at__isnull=True) & ~Q(state__in=["posted", "reversed"]),
            ),
            models.CheckConstraint(
                name="members_approval_reversed",
                condition=Q(state="reversed", reversed_at__isnull=False, reversed_by__isnull=False)
                | Q(reversed_at__isnull=True, reversed_by__isnull=True) & ~Q(state="reversed"),
            ),
        ]
        indexes = [
            # Reader: the list of staff, newest first, and what waits in it.
            models.Index(fields=["state", "-requested_at"], name="members_approval_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.public_id}"


class StaffDay(models.Model):
    """How many points of a currency a person of the staff moved alone on a local day.

    Counted by the trigger of ``Approval``; nobody else may write it.
    """

    user = staff_column()
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    points = models.BigIntegerField()
    points_max = models.BigIntegerField(db_comment="The cap when the latest was counted.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "currency", "day"], name="members_staffday_one"
            ),
            models.CheckConstraint(
                name="members_staffday_within", condition=Q(points__lte=F("points_max"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} on {self.day}"


class Evidence(models.Model):
    """A file that says why, beside the books so that it can be erased."""

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="evidence")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=64)
    content = models.BinaryField()
    size = models.PositiveIntegerField(db_comment="Bytes.")
    added_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [
            models.CheckConstraint(
                name="members_evidence_kind",
                condition=Q(content_type__in=["application/pdf", "image/png", "image/jpeg"]),
            ),
            models.CheckConstraint(
                name="members_evidence_size", condition=Q(size__gt=0, size__lte=2 * 1024 * 1024)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AdjustmentReason(models.Model):
    """Why points are adjusted, with what the member reads of it."""

    class Direction(models.TextChoices):
        """What the reason is good for."""

        CREDIT = "credit", _("credit")
        DEBIT = "debit", _("debit")
        BOTH = "both", _("credit and debit")

    code = models.SlugField(_("code"), max_length=32, unique=True)
    direction = models.CharField(_("direction"), max_length=8, choices=Direction)
    text = models.JSONField(
        _("text for members"), db_comment="What the member reads, per language."
    )
    is_retired = models.BooleanField(_("retired"), default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_adjustmentreason_direction",
                condition=Q(direction__in=["credit", "debit", "both"]),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Adjustment(models.Model):
    """Points given to or taken from one member by hand, with the reason that the member reads."""

    approval = models.OneToOneField(
        Approval, models.PROTECT, primary_key=True, related_name="adjustment"
    )
    reason = models.ForeignKey(AdjustmentReason, models.PROTECT, related_name="+")
    note = models.TextField(blank=True, db_comment="What the member reads beside the reason.")
    expires_at = models.DateTimeField(
        null=True, blank=True, db_comment="First instant at which a credit is of no use."
    )
    is_within_balance = models.BooleanField(
        default=False, db_comment="Whether a debit takes what is there instead of being refused."
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="adjustment"
    )
    reversal = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    moved_points = models.BigIntegerField(
        null=True, blank=True, db_comment="What moved, where a debit took what was there."
    )
    kept_points = models.BigIntegerField(
        null=True, blank=True, db_comment="What a reversal of a credit did not find any more."
    )

    def __str__(self) -> str:
        return f"adjustment {self.pk}"


class Reinstatement(models.Model):
    """Expired points given back to one member by hand, with the reason that the member reads."""

    approval = models.OneToOneField(
        Approval, models.PROTECT, primary_key=True, related_name="reinstatement"
    )
    expiry = models.ForeignKey(
        LedgerTransaction,
        models.PROTECT,
        related_name="+",
        db_index=False,
        db_comment="The transaction by which the points expired.",
    )
    reason = models.ForeignKey(AdjustmentReason, models.PROTECT, related_name="+")
    note = models.TextField(blank=True, db_comment="What the member reads beside the reason.")
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        db_comment="First instant at which they are of no use again; null is the days of grace.",
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="reinstatement"
    )

    def __str__(self) -> str:
        return f"reinstatement {self.pk}"
