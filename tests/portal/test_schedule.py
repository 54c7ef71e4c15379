"""
What runs by the clock is there to run.
"""

from portal.celery import app


def test_every_entry_of_the_schedule_names_a_task_that_exists():
    app.loader.import_default_modules()

    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert scheduled
    assert scheduled <= set(app.tasks)
