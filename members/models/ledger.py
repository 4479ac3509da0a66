"""The books: accounts, transactions, entries, and what hangs on them; lots are in ``lots.py``.

The rules of these tables are kept by ``members/sql/ledger.sql``; the models only
describe the columns. Nothing here is ever changed through the ORM. A key without
a constraint of its own (``db_constraint=False``) is held by a composite key or by
a statement trigger there, which is cheaper than one more check per row.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from members.models.people import Member
from members.models.program import PointCurrency, Program


class LedgerAccount(models.Model):
    """A member's points of one currency in one state, or a counter-account of the program.

    Beside the kinds that are listed there is one ``partner:CODE`` for each partner.
    """

    class Kind(models.TextChoices):
        """The first four belong to members and keep a balance, the others to the program."""

        AVAILABLE = "available"
        PENDING = "pending"
        HELD = "held"
        DEBT = "debt"
        ISSUED = "issued"
        REDEEMED = "redeemed"
        EXPIRED = "expired"
        ADJUSTED = "adjusted"
        MOVED = "moved"
        FEES = "fees"
        DONATED = "donated"
        SOLD = "sold"

    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="accounts")
    currency_kind = models.CharField(max_length=16, choices=PointCurrency.Kind)
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    kind = models.CharField(max_length=80, choices=Kind)
    keeps_balance = models.BooleanField(
        default=False,
        editable=False,
        # A running balance on a program account would be one row that every till waits for.
        db_comment="True for members' accounts; set by the database.",
    )
    keeps_lots = models.BooleanField(
        default=False,
        editable=False,
        db_comment="True for available and pending redeemable points; set by the database.",
    )
    floor = models.BigIntegerField(
        default=0, db_comment="Lowest balance; below zero for debt only, where it is the limit."
    )
    ceiling = models.BigIntegerField(null=True, editable=False)
    balance = models.BigIntegerField(
        default=0,
        editable=False,
        db_comment="Sum of the entries; moved by the entries' trigger alone.",
    )
    active_on = models.DateField(
        null=True,
        editable=False,
        db_comment="Program-local day of the latest act that renews lots; moved by its trigger.",
    )
    lock_touch = models.BooleanField(
        null=True,
        editable=False,
        db_comment="The one column that the site's role may update, so that it can lock rows.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "currency", "kind", "program"],
                nulls_distinct=False,
                name="members_ledgeraccount_one",
            ),
            models.UniqueConstraint(
                fields=["id", "program", "currency"], name="members_ledgeraccount_identity"
            ),
            models.CheckConstraint(
                name="members_ledgeraccount_floor_kept",
                condition=Q(balance__gte=models.F("floor"))
                & (Q(ceiling__isnull=True) | Q(balance__lte=models.F("ceiling"))),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.currency_id}"


class LedgerTransaction(models.Model):
    """One atomic movement of points of one currency; its entries sum to zero."""

    class Type(models.TextChoices):
        """What moved the points."""

        EARN = "earn"
        ACTIVATE = "activate"
        HOLD = "hold"
        RELEASE = "release"
        REDEEM = "redeem"
        REDEMPTION_REVERSAL = "redemption_reversal"
        CLAWBACK = "clawback"
        EXPIRE = "expire"
        REINSTATE = "reinstate"
        ADJUST_CREDIT = "adjust_credit"
        ADJUST_DEBIT = "adjust_debit"
        TRANSFER_OUT = "transfer_out"
        TRANSFER_IN = "transfer_in"
        POOL_OUT = "pool_out"
        POOL_IN = "pool_in"
        EXCHANGE_OUT = "exchange_out"
        EXCHANGE_IN = "exchange_in"
        DONATE = "donate"
        MERGE_OUT = "merge_out"
        MERGE_IN = "merge_in"
        IMPORT = "import"
        WRITE_OFF = "write_off"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(
        Program, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    # Every transaction would lock the currency's row: its entries' accounts are of the currency.
    currency = models.ForeignKey(
        PointCurrency, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    member = models.ForeignKey(
        Member,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
        # The index of the statement begins with the member.
        db_index=False,
    )
    type = models.CharField(max_length=24, choices=Type)
    source = models.CharField(
        max_length=32, db_comment="Kind of thing that caused it: purchase, return, redemption ..."
    )
    external_ref = models.CharField(
        max_length=128, db_comment="Which thing caused it; never personal data."
    )
    actor = models.CharField(max_length=64, db_comment="Client, job or staff key; never a name.")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", db_index=False
    )
    resolves = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="resolution"
    )
    counterpart = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_comment="The transaction of another member that the points come from.",
    )
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    reason_code = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_ref", "source", "program", "currency", "type"],
                name="members_ledgertransaction_business_key",
            ),
            # Almost no transaction has one, so that the index is kept small.
            models.UniqueConstraint(
                fields=["counterpart"],
                condition=Q(counterpart__isnull=False),
                name="members_ledgertransaction_one_arrival",
            ),
        ]
        indexes = [
            # Reader: whoever judges a reversal. Almost no transaction is one.
            models.Index(
                fields=["reverses"],
                condition=Q(reverses__isnull=False),
                name="members_ledgertx_reversals",
            ),
            # Reader: the statement of a member, newest first.
            models.Index(
                fields=["member", "currency", "-recorded_at", "-id"],
                name="members_ledgertx_statement",
            ),
            # Reader: balances as of an instant, and the qualification window.
            models.Index(
                fields=["member", "currency", "occurred_at"], name="members_ledgertx_as_of"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"


class LedgerEntry(models.Model):
    """One signed line of a transaction."""

    transaction = models.ForeignKey(
        LedgerTransaction,
        models.PROTECT,
        related_name="entries",
        db_index=False,
        db_constraint=False,
    )
    line = models.PositiveSmallIntegerField()
    account = models.ForeignKey(
        LedgerAccount, models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
    program = models.ForeignKey(
        Program, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    currency = models.ForeignKey(
        PointCurrency, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    points = models.BigIntegerField(db_comment="Signed points; the account's change.")

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "line"], name="members_ledgerentry_line"
            ),
        ]
        indexes = [
            # Reader: sums of an account, and its qualification window.
            models.Index(
                fields=["account", "transaction"],
                include=["points"],
                name="members_ledgerentry_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d}"


class LedgerActivity(models.Model):
    """A day on which a member did what renews their points; of each day the first act told.

    Kept beside the lots, which are never edited: the end of a renewable lot follows from it.
    """

    account = models.ForeignKey(
        LedgerAccount, models.PROTECT, related_name="activity", db_index=False
    )
    day = models.DateField(db_comment="Program-local day of occurred_at.")
    act = models.CharField(max_length=80, db_comment="purchase, redemption or event:TYPE.")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger activity"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "day"], name="members_ledgeractivity_once_a_day"
            ),
            models.CheckConstraint(
                name="members_ledgeractivity_not_ahead",
                condition=Q(occurred_at__lte=models.F("recorded_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.day}"


class LedgerHold(models.Model):
    """An open reservation of points; closed by the transaction that resolves it."""

    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, primary_key=True, related_name="hold"
    )
    account = models.ForeignKey(LedgerAccount, models.PROTECT, related_name="holds", db_index=False)
    points = models.BigIntegerField()
    expires_at = models.DateTimeField()
    is_open = models.BooleanField(
        default=True, editable=False, db_comment="Cleared by the trigger of the resolving header."
    )

    class Meta:
        indexes = [
            # Reader: what is due on an account.
            models.Index(
                fields=["account", "expires_at"],
                condition=Q(is_open=True),
                name="members_ledgerhold_due",
            ),
            # Reader: the job that releases lapsed holds.
            models.Index(
                fields=["expires_at"],
                condition=Q(is_open=True),
                name="members_ledgerhold_lapsing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} until {self.expires_at:%Y-%m-%d %H:%M}"


class LedgerNote(models.Model):
    """Words about a transaction, beside the books so that they can be erased."""

    transaction = models.OneToOneField(LedgerTransaction, models.PROTECT, related_name="note")
    text = models.TextField()

    def __str__(self) -> str:
        return self.text[:40]
