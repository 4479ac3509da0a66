"""The scheduler's rows: the timetable stands in code, and the operator may add to it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import PeriodicTaskAdmin as StockPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from loyalty_site.lib.admin import TypedModelAdmin
from loyalty_site.timetable import MARK

admin.site.unregister(
    [ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule]
)


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The choice of a task, in the looks of the theme."""


class ThemedTaskForm(PeriodicTaskForm):
    """The form of a task, in the looks of the theme."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(StockPeriodicTaskAdmin, TypedModelAdmin[PeriodicTask]):
    """Periodic tasks. Of those in the timetable only ``enabled`` is the operator's."""

    form = ThemedTaskForm
    change_form_template = None
    date_hierarchy = None
    list_display = ("name", "enabled", "runs", "last_run_at", "total_run_count")
    list_filter = ("enabled", "one_off")
    list_select_related = ("interval", "crontab", "solar", "clocked")

    @admin.display(description=_("schedule"))
    def runs(self, task: PeriodicTask) -> str:
        """Return when it runs."""
        return str(task.interval or task.crontab or task.solar or task.clocked or "-")

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        if not _is_in_timetable(obj):
            return super().get_fieldsets(request, obj)
        shown = ("name", "enabled", "task", "runs", "description", "last_run_at")
        return ((None, {"fields": (*shown, "total_run_count")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        if not _is_in_timetable(obj):
            return super().get_readonly_fields(request, obj)
        return ("name", "task", "runs", "description", "last_run_at", "total_run_count")

    def get_form(
        self,
        request: HttpRequest,
        obj: PeriodicTask | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if _is_in_timetable(obj):
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Keep the timetable whole: its tasks are disabled, not deleted."""
        if obj is None or _is_in_timetable(obj):
            return False
        return bool(super().has_delete_permission(request, obj))


def _is_in_timetable(task: PeriodicTask | None) -> bool:
    return task is not None and task.description == MARK


@admin.register(IntervalSchedule)
class IntervalAdmin(TypedModelAdmin[IntervalSchedule]):
    """Every so many seconds."""

    list_display = ("__str__", "every", "period")
    list_filter = ("period",)
    search_fields = ("period",)


@admin.register(CrontabSchedule)
class CrontabAdmin(TypedModelAdmin[CrontabSchedule]):
    """At a time of the day."""

    list_display = ("__str__", "human_readable")
    list_filter = ("timezone",)
    search_fields = ("hour", "minute")


@admin.register(ClockedSchedule)
class ClockedAdmin(TypedModelAdmin[ClockedSchedule]):
    """Once, at a moment."""

    list_display = ("clocked_time",)
    list_filter = ("clocked_time",)
    search_fields = ("pk__exact",)


@admin.register(SolarSchedule)
class SolarAdmin(TypedModelAdmin[SolarSchedule]):
    """By the sun."""

    list_display = ("event", "latitude", "longitude")
    list_filter = ("event",)
    search_fields = ("event",)
