"""
Setting the thresholds of the rules of validation, from an instant on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.models import Site
from sites.operations import record
from telemetry.domain.vee_rules import ThresholdRefused, checked
from telemetry.models import Channel, MeteringPoint, RuleSetting
from telemetry.queries.public_holidays import regions

# Rules that look at deliveries or bills and not at what is stored.
_NOTHING_TO_CHECK = frozenset({"time", "dup", "share"})


class SetLater(Exception):
    """
    Another setting for the same begins at that instant or later.
    """


@transaction.atomic(durable=True)
def set_rule(
    *, site_id: int, rule: str, since: dt.datetime, thresholds: Mapping[str, Any], reason: str,
    at: dt.datetime, by_id: int | None, point_id: int | None = None, channel_id: int | None = None,
    enabled: bool = True,
) -> RuleSetting:  # fmt: skip
    """
    Let thresholds of a rule hold for a channel, a point or a whole site from an instant on; what
    held there until then ends. What came in since is checked again.

    :raises ThresholdRefused: if a threshold is not what it may be
    :raises SetLater: if another setting begins at that instant or later
    """
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    whole = checked(rule, thresholds)
    place = _place(site, point_id, channel_id)
    backup = whole.get("backup")
    if backup and not site.channels.filter(key=backup, kind=Channel.Kind.REGISTER).exists():
        raise ThresholdRefused("backup", "is no register of this site")
    region, known = whole.get("region"), regions(site.country)
    if region and region not in known:
        may = f"one of {', '.join(known)}" if known else "left empty"
        raise ThresholdRefused("region", f"for {site.country} it must be {may}")
    same = RuleSetting.objects.filter(site=site, rule=rule, point=point_id, channel=channel_id)
    if same.filter(valid__startswith__gte=since).exists():
        raise SetLater
    before = same.filter(valid__contains=since).first()
    if before is not None:
        before.valid = DateTimeTZRange(before.valid.lower, since)
        before.save(update_fields=["valid"])
    setting = RuleSetting.objects.create(
        site=site, point_id=point_id, channel_id=channel_id, rule=rule, enabled=enabled,
        thresholds=whole, valid=DateTimeTZRange(since, None), reason=reason[:300], set_at=at,
        set_by_id=by_id,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="rule of validation set",
        subject=f"{place} {rule}", before=_told(before),
        after={**_told(setting), "since": since.isoformat(), "reason": reason},
    )  # fmt: skip
    _check_again(setting, since, at)
    return setting


@transaction.atomic(durable=True)
def end_rule_setting(*, setting_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Let a setting end now, so that what is set farther out, or the default, holds again.
    """
    setting = (
        RuleSetting.objects.select_for_update(of=("self",))
        .select_related("site", "point", "channel")
        .get(pk=setting_id)
    )
    if setting.valid.upper is not None:
        return
    if setting.valid.lower >= at:
        # It has not begun: nothing was ever judged by it, and what it would have ended goes on.
        RuleSetting.objects.filter(pk=setting.pk).delete()
        for before in RuleSetting.objects.filter(
            site=setting.site, rule=setting.rule, point=setting.point_id,
            channel=setting.channel_id, valid__endswith=setting.valid.lower,
        ):  # fmt: skip
            before.valid = DateTimeTZRange(before.valid.lower, None)
            before.save(update_fields=["valid"])
    else:
        setting.valid = DateTimeTZRange(setting.valid.lower, at)
        setting.save(update_fields=["valid"])
    record(
        at=at, by_id=by_id, operator_id=setting.site.operator_id,
        action="rule of validation back to what holds around it",
        subject=f"{setting.channel or setting.point or setting.site} {setting.rule}",
        before=_told(setting),
    )  # fmt: skip
    _check_again(setting, at, at)


def _place(site: Site, point_id: int | None, channel_id: int | None) -> str:
    if channel_id is not None:
        return str(Channel.objects.get(pk=channel_id, site=site))
    if point_id is not None:
        return f"{site.slug}/{MeteringPoint.objects.get(pk=point_id, site=site).code}"
    return site.slug


def _told(setting: RuleSetting | None) -> dict[str, Any]:
    if setting is None:
        return {}
    return {"enabled": setting.enabled, **setting.thresholds}


def _check_again(setting: RuleSetting, since: dt.datetime, at: dt.datetime) -> None:
    if setting.rule in _NOTHING_TO_CHECK:
        return
    channels = Channel.objects.filter(site_id=setting.site_id)
    if setting.channel_id is not None:
        channels = channels.filter(pk=setting.channel_id)
    elif setting.point_id is not None:
        channels = channels.filter(point_id=setting.point_id)
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK,
            {"channels": list(channels.values_list("pk", flat=True)), "since": since, "at": at},
        )


# From the instant, or the first hour ever rolled up, to the last; a channel without readings
# since has nothing to check.
_MARK = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT r.channel_id, tstzrange(greatest(min(r.start_at), %(since)s), max(r.end_at)), %(at)s
FROM telemetry_rollup r
WHERE r.channel_id = ANY(%(channels)s) AND r.grain = 'hour' AND r.end_at > %(since)s
GROUP BY r.channel_id
"""
