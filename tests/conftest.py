"""
Set-up of the whole suite: real servers, started once and shared.
"""

import uuid
from collections.abc import Iterator
from typing import Any, cast

import hypothesis
import pytest
from celery import current_app
from django.conf import settings as project_settings
from django.db import connection
from pytest_django import Settings

from portal import embedded
from tests.template import ensure_template

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")
embedded.ensure_running()
# Django empties all tables after a test that commits. Kept ones refuse that, but for connections
# with this setting, and only these have it: see docs/operations.md.
project_settings.DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
    "-c warmgrid.may_empty=yes"
)
# What an earlier run, or another at the same time, has counted in the cache is not ours.
project_settings.CACHES["default"]["KEY_PREFIX"] = f"test-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """
    The database of each worker begins as a copy of one that went through the migrations.
    """
    connection.settings_dict["TEST"]["TEMPLATE"] = ensure_template()


@pytest.fixture(scope="session", autouse=True)
def task_queue() -> Iterator[str]:
    """
    The queue that tasks sent by pages go to: this test process's own, so that no worker of
    somebody who develops beside takes them for theirs.
    """
    queue = f"test-{uuid.uuid4().hex}"
    celery = cast(Any, current_app)
    celery.conf.task_routes = {"*": {"queue": queue}}
    celery.amqp.flush_routes()
    celery.amqp.router = celery.amqp.Router()
    yield queue
    with celery.connection_for_write() as broker:
        broker.default_channel.queue_delete(queue)


@pytest.fixture(autouse=True)
def _archive_of_its_own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Under the factory's folder, which no test without an archive makes.
    folder = tmp_path_factory.getbasetemp() / f"archive-{uuid.uuid4().hex}"
    settings.ARCHIVE_URL = f"file://{folder}"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    # The real hash is slow on purpose; nothing here tests its strength.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_reading_outlives_its_test(
    request: pytest.FixtureRequest, django_db_blocker: Any
) -> Iterator[None]:
    """
    Django empties the tables it manages after a test that commits; readings it does not.
    """
    yield
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    if commits or {"transactional_db", "live_server"} & set(request.fixturenames):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE telemetry_reading")
