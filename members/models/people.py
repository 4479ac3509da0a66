"""Who someone is, how they are recognized, and what they agreed to."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from members.models.program import Program


class UserManager(BaseUserManager["User"]):
    """Make logins; the address is kept as typed and compared without case."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **extra: object) -> User:
        """Return a saved login; without a password only codes by e-mail let it in."""
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: object) -> User:
        """Return a saved login that may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a login by its address, without case."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A login, of a member or of staff. What a person holds hangs on ``Member``."""

    email = models.EmailField(max_length=254, unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="members_user_email")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """Return the address; a login has no name of its own."""
        return self.email


class Member(models.Model):
    """An enrolled person. Erasure empties the personal columns and keeps the row."""

    class Status(models.TextChoices):
        """The membership's state."""

        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"
        MERGED = "merged"
        ERASED = "erased"
        # Nobody: the row that holds the points of a pool.
        POOL = "pool"

    program = models.ForeignKey(Program, models.PROTECT, related_name="members")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField(
        max_length=16, unique=True, db_comment="Printed number; the last digit checks the others."
    )
    user = models.OneToOneField(User, models.SET_NULL, null=True, blank=True, related_name="member")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    birth_date = models.DateField(null=True, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    source_channel = models.CharField(max_length=32, blank=True)
    referral_code = models.CharField(max_length=32, blank=True)
    card_secret = models.UUIDField(
        default=uuid.uuid4, editable=False, db_comment="What the codes of the card are made from."
    )
    enrolled_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_comment="Whom this row went into; never a merged member itself.",
    )
    absorbed = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        editable=False,
        db_comment="The rows that went into this one: their purchases and status points count.",
    )
    erased_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_comment="Moment of the last change of the profile.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_member_erased_is_empty",
                condition=~Q(status="erased")
                | Q(
                    first_name="",
                    last_name="",
                    birth_date__isnull=True,
                    user__isnull=True,
                    erased_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="members_member_pool_is_nobody",
                condition=~Q(status="pool")
                | Q(first_name="", last_name="", birth_date__isnull=True, user__isnull=True),
            ),
            models.CheckConstraint(
                name="members_member_merged_into_another",
                condition=(~Q(status="merged") & Q(merged_into__isnull=True))
                | (
                    Q(status__in=["merged", "erased"])
                    & Q(merged_into__isnull=False, user__isnull=True)
                    & ~Q(merged_into=F("id"))
                    & Q(absorbed=[])
                ),
            ),
        ]
        indexes = [
            # Reader: the member list of the admin, newest first.
            models.Index(fields=["-enrolled_at", "-id"], name="members_member_newest"),
            # Reader: the regrading, which grades members of several rows by themselves.
            models.Index(fields=["id"], condition=~Q(absorbed=[]), name="members_member_absorbing"),
            # Readers: the search for two rows of one person.
            models.Index(
                Lower("last_name"),
                Lower("first_name"),
                condition=~Q(last_name=""),
                name="members_member_names",
            ),
            models.Index(
                fields=["birth_date"],
                condition=Q(birth_date__isnull=False),
                name="members_member_birth_date",
            ),
            # Reader: what goes on with members who changed lately.
            models.Index(fields=["changed_at"], name="members_member_changed"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def rows(self) -> list[int]:
        """Return the keys of the rows of this person: its own, and those that went into it."""
        return [self.pk, *self.absorbed]

    @property
    def display_name(self) -> str:
        """Return the name to greet with; the number where there is no name."""
        return f"{self.first_name} {self.last_name}".strip() or self.number


class Identifier(models.Model):
    """A way to recognize a member, normalized, unique in the program for its kind."""

    class Kind(models.TextChoices):
        """What the value is."""

        EMAIL = "email"
        PHONE = "phone"
        CARD = "card"
        EXTERNAL_ID = "external_id"

    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    member = models.ForeignKey(Member, models.PROTECT, related_name="identifiers")
    kind = models.CharField(max_length=16, choices=Kind)
    value = models.CharField(max_length=254, db_comment="Normalized value; what look-ups compare.")
    verified_at = models.DateTimeField(null=True, blank=True)
    is_primary = models.BooleanField(default=False)
    is_from_enrolment = models.BooleanField(
        default=False, db_comment="Given when the member enrolled; only such ones admit a login."
    )
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["value", "kind", "program"], name="members_identifier_value"
            ),
            models.UniqueConstraint(
                fields=["member", "kind"],
                condition=Q(is_primary=True),
                name="members_identifier_one_primary",
            ),
            models.CheckConstraint(name="members_identifier_not_empty", condition=~Q(value="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.member_id}"


class BirthDateChange(models.Model):
    """That staff corrected a member's date of birth, and why: once a calendar year at most.

    Neither day stands here; erasure removes the rows.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="birth_date_changes")
    year = models.PositiveSmallIntegerField(db_comment="Of the program's calendar.")
    why = models.CharField(max_length=200)
    changed_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "year"],
                name="members_birthdatechange_once_a_year",
                violation_error_message="The date of birth was corrected this year already.",
            ),
            models.CheckConstraint(name="members_birthdatechange_why", condition=~Q(why="")),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} in {self.year}"


class ConsentRecord(models.Model):
    """What a member agreed to or withdrew, for ever; the newest row of a pair counts."""

    member = models.ForeignKey(Member, models.PROTECT, related_name="consents")
    purpose = models.CharField(max_length=32)
    channel = models.CharField(max_length=32)
    granted = models.BooleanField()
    text_version = models.CharField(max_length=32)
    source = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # Reader: the newest record of each purpose and channel of a member.
            models.Index(
                fields=["member", "purpose", "channel", "-at", "-id"],
                name="members_consent_newest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} by {self.channel}: {'yes' if self.granted else 'no'}"


class Message(models.Model):
    """What a member was told in the inbox of the app."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=32)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    dedupe_key = models.CharField(
        max_length=128, db_comment="Says the same thing to the same member once."
    )
    sent_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "dedupe_key"], name="members_message_once"),
        ]
        indexes = [
            # Reader: the inbox, newest first.
            models.Index(fields=["member", "-sent_at", "-id"], name="members_message_newest"),
        ]

    def __str__(self) -> str:
        return self.title


class DataExport(models.Model):
    """A copy of everything held about a member, made at their request."""

    class State(models.TextChoices):
        """How far the copy is."""

        REQUESTED = "requested"
        READY = "ready"
        EXPIRED = "expired"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="exports")
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    content = models.BinaryField(null=True, blank=True, db_comment="The ZIP; emptied on expiry.")

    def __str__(self) -> str:
        return str(self.public_id)
