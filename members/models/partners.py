"""Other companies whose customers get and spend points here, and what is settled with them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from members.models.ledger import LedgerTransaction
from members.models.people import Member, User
from members.models.program import PointCurrency, Program


class Partner(models.Model):
    """A company of the coalition, as the program file states it."""

    class Funding(models.TextChoices):
        """Whether the points that it gives are paid beforehand or by the month's statement."""

        PREPAID = "prepaid"
        POSTPAID = "postpaid"

    program = models.ForeignKey(Program, models.PROTECT, related_name="partners")
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    code = models.SlugField(max_length=48)
    name = models.JSONField(default=dict, db_comment="Name per language.")
    unit = models.CharField(
        max_length=64, blank=True, db_comment="What the partner's own currency is called."
    )
    funding = models.CharField(max_length=16, choices=Funding)
    given_per_day = models.BigIntegerField(
        null=True, blank=True, db_comment="Points that a member gets of it a day at most."
    )
    taken_per_day = models.BigIntegerField(
        null=True,
        blank=True,
        db_comment="Points that a member exchanges for its own a day at most.",
    )
    is_retired = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="members_partner_code"),
            models.CheckConstraint(
                name="members_partner_funding", condition=Q(funding__in=["prepaid", "postpaid"])
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PartnerRate(models.Model):
    """What is agreed with a partner from an instant on, until the next rate begins."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="rates", db_index=False)
    starts_at = models.DateTimeField()
    rate_in = models.DecimalField(
        max_digits=16,
        decimal_places=6,
        null=True,
        blank=True,
        db_comment="Points for one unit of the partner's; null is no exchange this way.",
    )
    rate_out = models.DecimalField(
        max_digits=16,
        decimal_places=6,
        null=True,
        blank=True,
        db_comment="Units of the partner's for one point; null is no exchange this way.",
    )
    price_in = models.DecimalField(
        max_digits=12, decimal_places=6, db_comment="Money that it owes for a point it gave."
    )
    price_out = models.DecimalField(
        max_digits=12, decimal_places=6, db_comment="Money that it is owed for a point it took."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "starts_at"], name="members_partnerrate_start"
            ),
            models.CheckConstraint(
                name="members_partnerrate_sane",
                condition=Q(price_in__gte=0, price_out__gte=0)
                & (Q(rate_in__isnull=True) | Q(rate_in__gt=0))
                & (Q(rate_out__isnull=True) | Q(rate_out__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} from {self.starts_at:%Y-%m-%d}"


class PartnerFunding(models.Model):
    """A pack of points that a prepaid partner has paid for."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="packs")
    points = models.BigIntegerField()
    amount = models.DecimalField(
        max_digits=16, decimal_places=4, db_comment="What was paid, in the program's money."
    )
    reference = models.CharField(max_length=64, db_comment="Number of the invoice or payment.")
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "reference"],
                name="members_partnerfunding_once",
                violation_error_message="This payment is recorded already.",
            ),
            models.CheckConstraint(
                name="members_partnerfunding_sane", condition=Q(points__gt=0, amount__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class PartnerBalance(models.Model):
    """How many points a partner has paid for, given and taken; counted by triggers alone."""

    partner = models.OneToOneField(
        Partner, models.PROTECT, primary_key=True, related_name="balance"
    )
    is_prepaid = models.BooleanField()
    funded = models.BigIntegerField(default=0)
    given = models.BigIntegerField(default=0)
    taken = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_partnerbalance_within_funds",
                condition=Q(is_prepaid=False) | Q(given__lte=models.F("funded")),
                violation_error_message="The partner's prepaid points are used up.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.partner_id)

    @property
    def left(self) -> int | None:
        """Return the points that a prepaid partner can still give; None is without limit."""
        return self.funded - self.given if self.is_prepaid else None


class PartnerStatement(models.Model):
    """A month with a partner: a draft that is counted anew, or closed for ever."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="statements", db_index=False)
    month = models.DateField(db_comment="The first day of a month of the program's calendar.")
    movements = models.PositiveIntegerField()
    points_given = models.BigIntegerField()
    points_taken = models.BigIntegerField(db_comment="Less what came back.")
    net_amount = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        db_comment="The sum of its movements, exactly; above zero the partner owes it.",
    )
    made_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "month"], name="members_partnerstatement_month"
            ),
            models.CheckConstraint(
                name="members_partnerstatement_first_day", condition=Q(month__day=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} {self.month:%Y-%m}"


class PartnerMovement(models.Model):
    """Points between a member and a partner, with the rates of its moment; never changed.

    Only ``state`` moves: an exchange for the partner's currency is requested, then the partner
    confirms it, or it failed and a movement of the kind ``exchange_back`` stands beside it.
    ``members/sql/partners.sql`` holds each to its rates and to its ledger transaction.
    """

    class Kind(models.TextChoices):
        """What it is."""

        CREDIT = "credit"
        EXCHANGE_IN = "exchange_in"
        EXCHANGE_OUT = "exchange_out"
        EXCHANGE_BACK = "exchange_back"

    class State(models.TextChoices):
        """Whether it is complete."""

        REQUESTED = "requested"
        CONFIRMED = "confirmed"
        FAILED = "failed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="movements", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State)
    external_id = models.CharField(max_length=128, db_comment="The partner's own reference.")
    points = models.BigIntegerField()
    units = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        null=True,
        blank=True,
        db_comment="Of the partner's currency; null where points were given as points.",
    )
    rate = models.DecimalField(
        max_digits=16,
        decimal_places=6,
        null=True,
        blank=True,
        db_comment="The rate in or out of its moment.",
    )
    price = models.DecimalField(
        max_digits=12, decimal_places=6, db_comment="Money for one point, of its moment."
    )
    amount = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        db_comment="Points at the price; above zero the partner owes it.",
    )
    original = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="back"
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    day = models.DateField(db_comment="Day of the program's calendar, for the caps.")
    month = models.DateField(db_comment="First day of the month whose statement it is of.")
    recorded_at = models.DateTimeField()
    actor = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "kind", "external_id"], name="members_partnermovement_once"
            ),
            models.CheckConstraint(
                name="members_partnermovement_sane",
                condition=Q(points__gt=0, points__lte=10**9, price__gte=0),
            ),
            # Rows that are never changed hold nothing personal.
            models.CheckConstraint(
                name="members_partnermovement_reference",
                condition=~Q(external_id__contains="@") & ~Q(external_id=""),
                violation_error_message="A reference says what was moved, never who.",
            ),
            models.CheckConstraint(
                name="members_partnermovement_back",
                condition=Q(kind="exchange_back", original__isnull=False)
                | (~Q(kind="exchange_back") & Q(original__isnull=True)),
            ),
            models.CheckConstraint(
                name="members_partnermovement_state",
                condition=Q(state="confirmed")
                | Q(kind="exchange_out", state__in=["requested", "failed"]),
            ),
        ]
        indexes = [
            # Reader: a month's statement.
            models.Index(fields=["partner", "month", "id"], name="members_partnermovement_month"),
            # Reader: a member's caps of a day.
            models.Index(fields=["member", "partner", "day"], name="members_partnermovement_day"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)
