"""
The Celery application and everything that runs by the clock, in one table.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("warmgrid")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every entry looks at state (what is due and not done), so a missed beat is made good by the next.
app.conf.beat_schedule = {
    "create reading partitions ahead": {
        "task": "telemetry.tasks.create_partitions_ahead",
        "schedule": 6 * 3600.0,
    },
    "roll up dirty ranges": {
        "task": "telemetry.tasks.roll_up_dirty",
        "schedule": 30.0,
    },
    "check due days": {
        "task": "telemetry.tasks.check_due_days",
        "schedule": 60.0,
    },
    "settle what heat counts": {
        "task": "telemetry.tasks.settle_heat_due",
        "schedule": 60.0,
    },
    "import files left over": {
        "task": "telemetry.tasks.import_left_uploads",
        "schedule": 300.0,
    },
    "go on archiving": {
        "task": "telemetry.tasks.archive.go_on_archiving",
        "schedule": 300.0,
    },
    "seal months that are old enough": {
        "task": "telemetry.tasks.archive.seal_due_months",
        "schedule": 24 * 3600.0,
    },
    "ask probes": {
        "task": "telemetry.tasks.watching.ask_due_probes",
        "schedule": 10.0,
    },
    "watch heartbeats": {
        "task": "telemetry.tasks.watching.watch_heartbeats",
        "schedule": 60.0,
    },
    "find alarms": {
        "task": "telemetry.tasks.alarms.find_alarms",
        "schedule": 30.0,
    },
    "send letters about alarms": {
        "task": "portal.tasks.send_alarm_letters",
        "schedule": 30.0,
    },
    "tell who may approve edits that wait": {
        "task": "portal.tasks.send_approval_letters",
        "schedule": 60.0,
    },
    "tell customers of announced work": {
        "task": "portal.tasks.send_waiting_work_notices",
        "schedule": 300.0,
    },
    "drop old findings of probes": {
        "task": "telemetry.tasks.watching.drop_old_probe_results",
        "schedule": 24 * 3600.0,
    },
    "draft statements of the month that ended": {
        "task": "telemetry.tasks.statements.draft_due_statements",
        "schedule": 6 * 3600.0,
    },
    "look at statements whose readings changed": {
        "task": "telemetry.tasks.statements.look_at_touched",
        "schedule": 900.0,
    },
    "tell tenants of new statements": {
        "task": "portal.tasks.send_waiting_statements",
        "schedule": 300.0,
    },
    "resume stalled billing runs": {
        "task": "billing.tasks.resume_stalled_runs",
        "schedule": 15.0,
    },
    "try held bills again": {
        "task": "billing.tasks.try_held_bills",
        "schedule": 120.0,
    },
    "render missing documents": {
        "task": "billing.tasks.render_missing_documents",
        "schedule": 30.0,
    },
    "carry messages to other systems": {
        "task": "sites.tasks.deliver_messages",
        "schedule": 15.0,
    },
    "end pilots that are over": {
        "task": "billing.tasks.end_pilots",
        "schedule": 6 * 3600.0,
    },
    "remind of what is overdue": {
        "task": "billing.tasks.send_reminders",
        "schedule": 3600.0,
    },
    "send waiting invitations": {
        "task": "portal.tasks.send_waiting_invitations",
        "schedule": 300.0,
    },
}
