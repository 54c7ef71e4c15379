"""
Reads of metering, split by topic.
"""

from telemetry.queries.calibration import ExpiredMeter, expired_meters, verified_until
from telemetry.queries.carbon import (
    Factor,
    FactorMissing,
    Footprint,
    FootprintMonth,
    factor_on,
    tenant_footprint,
)
from telemetry.queries.delivered import LossesNotAgreed, delivered_energy
from telemetry.queries.evidence import (
    MeteredEnergy,
    changed_readings,
    hourly_energy,
    metered_energy,
    point_of_channel,
    service_energy,
)
from telemetry.queries.figures import (
    Energy,
    Input,
    SiteFigures,
    public_site_figures,
    site_figures,
)
from telemetry.queries.handoffs import HandOff, hand_offs
from telemetry.queries.heat_checks import (
    Balance,
    DayBalance,
    DayCheck,
    NoCheck,
    heat_balance,
    heat_checks,
)
from telemetry.queries.imports import (
    batches,
    channel_choices,
    refusals_by_reason,
    refused_rows,
    upload_sample,
    uploads,
    uploads_left_queued,
)
from telemetry.queries.mappings import mapping_spec, mappings, units_of_channels
from telemetry.queries.metering import (
    channels,
    gateways,
    installations,
    newest_hours,
    points,
    readings_of,
)
from telemetry.queries.meters import (
    WorkingPoint,
    loss_policies,
    meters,
    meters_at,
    places_of,
    working_point,
)
from telemetry.queries.public import public_heat, public_uptime_days
from telemetry.queries.readings import Problem, problems_of_batch
from telemetry.queries.rollups import ReadingMissing, channels_to_roll_up, energy_over
from telemetry.queries.series import (
    LastValue,
    MonthEnergy,
    SeriesPoint,
    SiteState,
    State,
    boundary_energy,
    energy_series,
    last_values,
    monthly_energy,
    site_states,
)
from telemetry.queries.uptime import (
    SubjectUptime,
    UptimeDay,
    availability,
    service_availability,
    uptime_days,
)

__all__ = [
    "Balance",
    "DayBalance",
    "DayCheck",
    "Energy",
    "ExpiredMeter",
    "Factor",
    "FactorMissing",
    "Footprint",
    "FootprintMonth",
    "HandOff",
    "Input",
    "LastValue",
    "LossesNotAgreed",
    "MeteredEnergy",
    "MonthEnergy",
    "NoCheck",
    "Problem",
    "ReadingMissing",
    "SeriesPoint",
    "SiteFigures",
    "SiteState",
    "State",
    "SubjectUptime",
    "UptimeDay",
    "WorkingPoint",
    "availability",
    "batches",
    "boundary_energy",
    "changed_readings",
    "channel_choices",
    "channels",
    "channels_to_roll_up",
    "delivered_energy",
    "energy_over",
    "energy_series",
    "expired_meters",
    "factor_on",
    "gateways",
    "hand_offs",
    "heat_balance",
    "heat_checks",
    "hourly_energy",
    "installations",
    "last_values",
    "loss_policies",
    "mapping_spec",
    "mappings",
    "metered_energy",
    "meters",
    "meters_at",
    "monthly_energy",
    "newest_hours",
    "places_of",
    "point_of_channel",
    "points",
    "problems_of_batch",
    "public_heat",
    "public_site_figures",
    "public_uptime_days",
    "readings_of",
    "refusals_by_reason",
    "refused_rows",
    "service_availability",
    "service_energy",
    "site_figures",
    "site_states",
    "tenant_footprint",
    "units_of_channels",
    "upload_sample",
    "uploads",
    "uploads_left_queued",
    "uptime_days",
    "verified_until",
    "working_point",
]
