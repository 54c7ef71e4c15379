from telemetry.models.alarms import (
    Alarm,
    AlarmEntry,
    AlarmLetter,
    AlarmNotice,
    AlarmRule,
    AlarmSilence,
    AlarmWatch,
    EscalationContact,
)
from telemetry.models.archive import ArchivedChannel, ArchivedMonth
from telemetry.models.attributes import (
    AttributeAllocation,
    AttributeLot,
    Claim,
    Counterfactual,
)
from telemetry.models.availability import (
    Incident,
    MaintenancePolicy,
    MaintenanceWindow,
    Part,
    Probe,
    ProbeResult,
)
from telemetry.models.carbon import EmissionFactor, KpiRule, ReportingYear, SiteBoundary
from telemetry.models.declared import DeclaredFigure
from telemetry.models.disclosure import (
    IssuerKey,
    OutsideCheck,
    Statement,
    StatementInput,
    StatementRegister,
    StatementShare,
)
from telemetry.models.ledger import HeatDay, HeatDirty, HeatEntry
from telemetry.models.mapping import ColumnMapping, Upload, UploadChunk
from telemetry.models.metering import (
    Channel,
    ChannelAlias,
    Gateway,
    Installation,
    Meter,
    MeteringPoint,
    MeterRegister,
)
from telemetry.models.quality import (
    Decision,
    DueDays,
    Finding,
    QualityFlag,
    Rule,
    RuleSetting,
    VeeValue,
)
from telemetry.models.readings import IngestBatch, Reading, RejectedReading
from telemetry.models.rollups import DirtyRange, Rollup
from telemetry.models.rules import CalibrationRule, LossPolicy
from telemetry.models.supply import Reason, SupplyClosure, SupplyTerms, SupplyWindow

__all__ = [
    "Alarm",
    "AlarmEntry",
    "AlarmLetter",
    "AlarmNotice",
    "AlarmRule",
    "AlarmSilence",
    "AlarmWatch",
    "ArchivedChannel",
    "ArchivedMonth",
    "AttributeAllocation",
    "AttributeLot",
    "CalibrationRule",
    "Channel",
    "ChannelAlias",
    "Claim",
    "ColumnMapping",
    "Counterfactual",
    "Decision",
    "DeclaredFigure",
    "DirtyRange",
    "DueDays",
    "EmissionFactor",
    "EscalationContact",
    "Finding",
    "Gateway",
    "HeatDay",
    "HeatDirty",
    "HeatEntry",
    "Incident",
    "IngestBatch",
    "Installation",
    "IssuerKey",
    "KpiRule",
    "LossPolicy",
    "MaintenancePolicy",
    "MaintenanceWindow",
    "Meter",
    "MeterRegister",
    "MeteringPoint",
    "OutsideCheck",
    "Part",
    "Probe",
    "ProbeResult",
    "QualityFlag",
    "Reading",
    "Reason",
    "RejectedReading",
    "ReportingYear",
    "Rollup",
    "Rule",
    "RuleSetting",
    "SiteBoundary",
    "Statement",
    "StatementInput",
    "StatementRegister",
    "StatementShare",
    "SupplyClosure",
    "SupplyTerms",
    "SupplyWindow",
    "Upload",
    "UploadChunk",
    "VeeValue",
]
