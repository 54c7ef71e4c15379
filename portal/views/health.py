"""
Whether the process lives and whether it can work, for load balancers and monitors.
"""

from collections.abc import Callable

import structlog
from celery import current_app
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = structlog.get_logger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """
    Answer as long as the process does; nothing else is asked.
    """
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """
    Answer 200 when database, broker and migrations are in order, otherwise 503 and which is not.
    """
    checks: dict[str, Callable[[], bool]] = {
        "database": _database_answers,
        "broker": _broker_answers,
        "migrations": _migrations_applied,
    }
    states = {
        name: "ok" if _holds(check, name=name) else "failing" for name, check in checks.items()
    }
    ready = set(states.values()) == {"ok"}
    return JsonResponse(states, status=200 if ready else 503)


def _holds(check: Callable[[], bool], *, name: str) -> bool:
    # What exactly failed is for the log; the answer is public and says only that it did.
    try:
        return check()
    except Exception:
        logger.warning("not ready", check=name, exc_info=True)
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _broker_answers() -> bool:
    with current_app.connection_for_read() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return True


def _migrations_applied() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
