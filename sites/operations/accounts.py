"""
What people change about themselves.
"""

import datetime as dt
import zoneinfo

from django.db import transaction

from sites.models import User
from sites.operations.audit import record


class UnknownTimezone(Exception):
    """
    No zone of that name is in the IANA database.
    """


@transaction.atomic(durable=True)
def set_preferences(*, user_id: int, name: str, timezone: str, at: dt.datetime) -> User:
    """
    Set a person's name and the zone of times that are about people.

    :raises UnknownTimezone: if the zone is not in the IANA database
    """
    if timezone not in zoneinfo.available_timezones():
        raise UnknownTimezone(timezone)
    user = User.objects.select_for_update().get(pk=user_id)
    before = {"name": user.name, "timezone": user.timezone}
    after = {"name": name, "timezone": timezone}
    if before == after:
        return user
    user.name, user.timezone = name, timezone
    user.save(update_fields=["name", "timezone"])
    record(
        at=at, by_id=user_id, operator_id=None, action="preferences changed",
        subject=user.email, before=before, after=after,
    )  # fmt: skip
    return user


@transaction.atomic(durable=True)
def set_password(*, user_id: int, password: str, at: dt.datetime) -> User:
    """
    Give a person a new password, which ends their other sessions. It is hashed and kept
    nowhere else; whether it is strong enough is for the caller to ask.
    """
    user = User.objects.select_for_update().get(pk=user_id)
    user.set_password(password)
    user.save(update_fields=["password"])
    record(at=at, by_id=user_id, operator_id=None, action="password changed", subject=user.email)
    return user
