"""
Tables whose rows are kept are not emptied by TRUNCATE either; readings obey the same setting.
"""

from django.db import migrations

TABLES = (
    "archivedchannel", "archivedmonth", "attributeallocation", "attributelot", "calibrationrule",
    "claim", "counterfactual", "decision", "declaredfigure", "emissionfactor", "heatday",
    "heatentry", "ingestbatch", "issuerkey", "kpirule", "losspolicy", "monthfigures",
    "reportingyear", "rejectedreading", "siteboundary", "statement", "statementinput", "veevalue",
)  # fmt: skip

KEPT = "".join(
    f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON telemetry_{table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION sites_never_emptied();\n"
    for table in TABLES
)
NOT_KEPT = "".join(f"DROP TRIGGER never_emptied ON telemetry_{table};\n" for table in TABLES)

READINGS = """
CREATE OR REPLACE FUNCTION telemetry_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('warmgrid.{setting}', true), '') <> 'yes' THEN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = '23514';
  END IF;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0034_heat_entries_are_superseded"),
        ("sites", "0007_never_emptied"),
    ]

    operations = [
        migrations.RunSQL(KEPT, NOT_KEPT),
        migrations.RunSQL(
            READINGS.replace("{setting}", "may_empty"),
            READINGS.replace("{setting}", "empty_readings"),
        ),
    ]
