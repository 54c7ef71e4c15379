"""
The Celery application and everything that runs by the clock, in one table.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("warmgrid")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
