"""The timetable in code and the scheduler's rows."""

from __future__ import annotations

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from loyalty_site import timetable
from loyalty_site.celery import app


def test_every_task_of_the_timetable_exists() -> None:
    app.loader.import_default_modules()

    assert [entry.task for entry in timetable.TIMETABLE if entry.task not in app.tasks] == []


@pytest.mark.django_db
def test_migrating_has_brought_the_whole_timetable() -> None:
    found = dict(PeriodicTask.objects.values_list("name", "task"))

    assert found == {entry.name: entry.task for entry in timetable.TIMETABLE}


@pytest.mark.django_db
def test_a_second_synchronization_writes_nothing() -> None:
    before = list(PeriodicTask.objects.order_by("pk").values())
    changed_before = PeriodicTasks.last_change()

    timetable.synchronize()

    assert list(PeriodicTask.objects.order_by("pk").values()) == before
    assert PeriodicTasks.last_change() == changed_before


@pytest.mark.django_db
def test_synchronizing_repairs_rows_keeps_the_switch_and_drops_what_is_retired() -> None:
    row = PeriodicTask.objects.get(name="expire points")
    PeriodicTask.objects.filter(pk=row.pk).update(task="elsewhere", enabled=False)
    interval = IntervalSchedule.objects.create(every=7, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.create(
        name="retired", task="gone", interval=interval, description=timetable.MARK
    )
    PeriodicTask.objects.create(name="operator's own", task="theirs", interval=interval)

    timetable.synchronize()

    row.refresh_from_db()
    assert (row.task, row.enabled) == ("members.tasks.expire_points", False)
    assert PeriodicTask.objects.filter(name="retired").exists() is False
    assert PeriodicTask.objects.filter(name="operator's own").exists() is True
