import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError

from seeds import reference
from sites.domain import local_month
from telemetry import operations, queries
from telemetry.models import CalibrationRule, Installation
from telemetry.queries.calibration import rule_of
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db(transaction=True)

JUNE_2031, JANUARY_2033 = (local_month(*month, "Europe/Berlin") for month in ((2031, 6), (2033, 1)))


def test_the_shipped_terms_load_once_and_name_their_source():
    added = reference.load_calibration_rules(at=LATER)

    assert added == CalibrationRule.objects.count() > 0
    assert not CalibrationRule.objects.filter(source="").exists()
    assert reference.load_calibration_rules(at=LATER) == 0


def test_a_new_term_supersedes_the_old_one_and_keeps_it():
    row = operations.RuleRow(
        country="SK", meter_kind="heat", valid_from=dt.date(2020, 1, 1), valid_to=None, years=4,
        end_of_year=False, when_expired="warn", source="law",
    )  # fmt: skip
    longer = operations.RuleRow(**{**_fields(row), "years": 5, "source": "new law"})
    operations.load_calibration_rules(rows=[row], at=LATER)

    assert operations.load_calibration_rules(rows=[longer], at=LATER) == 1

    rule = rule_of(country="SK", kind="heat", day=dt.date(2026, 1, 1))
    assert rule is not None
    assert rule.years == 5
    assert CalibrationRule.objects.get(years=4).superseded_at == LATER
    with pytest.raises(IntegrityError, match="never edited"):
        CalibrationRule.objects.update(years=9)


def _fields(row: operations.RuleRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _verified(country: str) -> Installation:
    channel = make_heat_channel()
    channel.site.country = country
    channel.site.save()
    reference.load_calibration_rules(at=LATER)
    installation = Installation.objects.get(point=channel.point)
    operations.record_verification(
        meter_id=installation.meter_id, verified_on=dt.date(2026, 5, 12), at=LATER, by_id=None,
        country=country,
        calibration_due=None if country in {"DE", "AT"} else dt.date(2030, 5, 12),
    )  # fmt: skip
    installation.refresh_from_db()
    return installation


@pytest.mark.parametrize(
    ("country", "due", "blocks"),
    [
        ("DE", dt.date(2032, 12, 31), True),
        ("AT", dt.date(2031, 12, 31), False),
        ("FR", dt.date(2030, 5, 12), False),
    ],
)
def test_the_country_says_until_when_and_whether_one_may_bill_after(
    country: str, due: dt.date, blocks: bool
):
    installation = _verified(country)

    assert installation.meter.calibration_due == due
    past = queries.expired_meters(point_id=installation.point_id, period=JANUARY_2033)
    assert [(meter.due, meter.blocks) for meter in past] == [(due, blocks)]


def test_no_meter_is_past_its_term_before_it_ends():
    installation = _verified("DE")

    assert not queries.expired_meters(point_id=installation.point_id, period=JUNE_2031)
    december = local_month(2032, 12, "Europe/Berlin")
    assert not queries.expired_meters(point_id=installation.point_id, period=december)


def test_where_no_term_is_held_the_operator_has_to_say():
    channel = make_heat_channel()
    reference.load_calibration_rules(at=LATER)
    meter = Installation.objects.get(point=channel.point).meter

    with pytest.raises(operations.TermUnknown):
        operations.record_verification(
            meter_id=meter.pk, verified_on=dt.date(2026, 5, 12), at=LATER, by_id=None, country="FR"
        )
