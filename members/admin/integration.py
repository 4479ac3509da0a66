"""Clients of the API, repeats, the outbox, and what the jobs did."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin, badge
from members.models import (
    ApiClient,
    ExpiryNotice,
    Heartbeat,
    IdempotencyRecord,
    JobRun,
    OutboxEvent,
)


@admin.register(ApiClient)
class ApiClientAdmin(ReadOnlyAdmin[ApiClient]):
    """Tills and shops; ``manage.py create_client`` makes one and shows its secret once."""

    list_display = ("name", "client", "created_at")
    list_filter = ("program",)
    list_select_related = ("client", "program")
    search_fields = ("name", "client__id__exact")


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(BooksAdmin[IdempotencyRecord]):
    """Answers kept for repeats; their bodies hold data of members and are not shown."""

    list_display = ("key", "caller", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("member",)
    search_fields = ("key__exact", "caller__exact")
    search_help_text = _("A whole key or caller.")
    hidden = ("body",)


@admin.register(OutboxEvent)
class OutboxEventAdmin(BooksAdmin[OutboxEvent]):
    """What has to be told, and whether it was."""

    list_display = ("kind", "member", "created_at", "delivered_at", "attempts", "failure")
    list_filter = ("kind", ("delivered_at", admin.EmptyFieldListFilter))
    list_select_related = ("member", "program")
    search_fields = ("public_id__exact", "member__number__exact")
    search_help_text = _("A whole id or member number.")


@admin.register(ExpiryNotice)
class ExpiryNoticeAdmin(BooksAdmin[ExpiryNotice]):
    """Notices of points that end; each was told once."""

    list_display = ("account", "ends_at", "days", "points", "told_at")
    list_filter = ("days",)
    list_select_related = ("account",)
    search_fields = ("account__member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin[Heartbeat]):
    """Signs of life of worker and beat."""

    list_display = ("name", "beat_at")
    list_filter = ("name",)
    search_fields = ("name",)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin[JobRun]):
    """What the jobs did."""

    list_display = ("name", "started_at", "finished_at", "done", "outcome")
    list_filter = ("name", ("failure", admin.EmptyFieldListFilter))
    search_fields = ("name", "failure")

    @badge(_("outcome"), ok="success", running="info", failed="danger")
    def outcome(self, run: JobRun) -> tuple[str, object]:
        """Return whether the run went well."""
        if run.failure:
            return "failed", _("failed")
        return ("ok", _("went well")) if run.finished_at else ("running", _("not finished"))
