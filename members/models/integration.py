"""What keeps callers and jobs honest: clients, repeats, the outbox, heartbeats."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from members.models.people import Member
from members.models.program import Program


class ApiClient(models.Model):
    """A till, shop or partner that calls the API; its secret lives with the provider."""

    program = models.ForeignKey(Program, models.PROTECT, null=True, blank=True, related_name="+")
    client = models.OneToOneField(
        "allauth_idp_oidc.Client", models.CASCADE, related_name="api_client"
    )
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class IdempotencyRecord(models.Model):
    """The answer to a keyed request, stored in the transaction that did the work."""

    caller = models.CharField(max_length=64, db_comment="Client id, or member:<id>.")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(db_comment="SHA-256 of method, path, query and body.")
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    member = models.ForeignKey(
        Member,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_comment="Whose data the answer holds, for erasure.",
    )
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "caller"], name="members_idempotencyrecord_key"),
        ]

    def __str__(self) -> str:
        return self.key


class OutboxEvent(models.Model):
    """Something that happened and has to be told; the row is the record, not the task."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=64)
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [
            # Reader: the delivery job, oldest first.
            models.Index(
                fields=["created_at", "id"],
                condition=Q(delivered_at__isnull=True),
                name="members_outboxevent_waiting",
            ),
            # Reader: the purge of delivered rows.
            models.Index(
                fields=["delivered_at"],
                condition=Q(delivered_at__isnull=False),
                name="members_outboxevent_delivered",
            ),
        ]

    def __str__(self) -> str:
        return self.kind


class ExpiryNotice(models.Model):
    """That a member was told of points that end; once for each end and number of days before."""

    account = models.ForeignKey(
        "members.LedgerAccount", models.PROTECT, related_name="expiry_notices", db_index=False
    )
    ends_at = models.DateTimeField(db_comment="First instant at which the points are of no use.")
    days = models.PositiveSmallIntegerField(
        db_comment="Which notice of the program file it was: so many days before the last day."
    )
    points = models.BigIntegerField(db_comment="What was about to end when the member was told.")
    told_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "ends_at", "days"], name="members_expirynotice_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} in {self.days} days"


class Heartbeat(models.Model):
    """When a part of the site last said that it lives."""

    name = models.CharField(max_length=64, unique=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class JobRun(models.Model):
    """What a periodic job did, for the operator."""

    name = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    done = models.PositiveIntegerField(default=0, db_comment="Rows that the run dealt with.")
    failure = models.TextField(blank=True, default="")

    class Meta:
        indexes = [
            # Reader: the admin's list of a job's last runs, and the purge.
            models.Index(fields=["name", "-started_at"], name="members_jobrun_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.started_at:%Y-%m-%d %H:%M}"
