"""
The AES-128 keys of radio meters: kept encrypted, never shown again, never in the audit trail.
"""

import datetime as dt

from django.conf import settings
from django.db import transaction

from sites.operations import record
from telemetry.domain.secrets import RADIO_KEY, hidden
from telemetry.models import Meter


@transaction.atomic(durable=True)
def set_radio_key(*, meter_id: int, key: bytes, at: dt.datetime, by_id: int | None) -> None:
    """
    Keep the key of a radio meter in place of the one before.

    :raises ValueError: if it has not sixteen bytes
    """
    if len(key) != 16:
        raise ValueError("The key of a radio meter has 16 bytes, 32 hexadecimal digits.")
    meter = Meter.objects.select_for_update().get(pk=meter_id)
    replaces = meter.radio_key is not None
    meter.radio_key = hidden(key, under=settings.SECRET_KEY, purpose=RADIO_KEY)
    meter.save(update_fields=["radio_key"])
    record(
        at=at, by_id=by_id, operator_id=meter.operator_id,
        action="radio key replaced" if replaces else "radio key set", subject=meter.serial,
    )  # fmt: skip


@transaction.atomic(durable=True)
def remove_radio_key(*, meter_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Forget the key of a radio meter; where there is none, nothing happens.
    """
    meter = Meter.objects.select_for_update().get(pk=meter_id)
    if meter.radio_key is None:
        return
    meter.radio_key = None
    meter.save(update_fields=["radio_key"])
    record(
        at=at, by_id=by_id, operator_id=meter.operator_id, action="radio key removed",
        subject=meter.serial,
    )  # fmt: skip
