"""
A customer's electricity of a calendar year on paper (EnEfG, section 15).
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import typst
from babel.dates import format_date
from babel.numbers import format_decimal
from django.conf import settings
from django.utils.translation import get_language, gettext, to_locale

from telemetry.documents.words import percent
from telemetry.queries.regulatory import CustomerYear


def yearly_pdf(*, year: CustomerYear, on: dt.date) -> bytes:
    """
    Return the electricity of a customer's year, month by month, as PDF made on a day.
    """
    service = year.service
    locale = to_locale(get_language() or "en-gb")
    content = {
        "title": gettext("Electricity of %s") % year.year,
        "language": (get_language() or "en")[:2],
        "date": [on.year, on.month, on.day],
        "author": service.site.operator.name,
        "lead": [
            f"{service.tenant.name}, {service.name}",
            f"{service.site.name}, {service.site.town}, {service.site.country}",
            gettext("From %(operator)s, %(day)s. Months in %(zone)s.")
            % {
                "operator": service.site.operator.name,
                "day": format_date(on, "long", locale=locale),
                "zone": service.site.timezone,
            },
        ],
        "heads": [
            gettext("Month"), gettext("Own meter, kWh"), gettext("With the share of the site, kWh"),
            gettext("Hours measured"),
        ],
        "months": [
            [
                format_date(m.month, "LLLL yyyy", locale=locale), _kwh(m.it_kwh),
                _kwh(m.facility_kwh), percent(m.coverage),
            ]
            for m in year.months
        ],
        "total": [
            gettext("The year"), _kwh(year.it_kwh), _kwh(year.facility_kwh), percent(year.coverage)
        ],
        "notes": [
            gettext(
                "Energy attributable to the customer in a calendar year, after section 15 of the"
                " German Energy Efficiency Act (EnEfG)."
            ),
            gettext(
                "Own meter: difference of the feed’s register between local midnights. The site’s"
                " electricity is shared by the electricity of the servers. A dash: less than 90%"
                " of the hours were measured."
            ),
        ],
    }  # fmt: skip
    source = settings.BASE_DIR / "templates" / "statements" / "yearly.typ"
    return bytes(
        typst.compile(
            source.read_bytes(), format="pdf", pdf_standards=["a-3b"],
            sys_inputs={"data": json.dumps(content)},
        )
    )  # fmt: skip


def _kwh(value: Decimal | None) -> str:
    if value is None:
        return "–"
    return format_decimal(value, format="#,##0.0", locale=to_locale(get_language() or "en-gb"))
