"""
What was issued, paid, agreed and published is not emptied by TRUNCATE either.
"""

from django.db import migrations

TABLES = (
    "allocation", "attributeuse", "bankentry", "baseline", "billedinterval", "billingperiod",
    "contract", "debit", "debitfile", "dispute", "disputenote", "indexbasis", "indexvalue",
    "invoice", "invoicedocument", "invoiceline", "invoicevat", "lineevidence", "monthlyfigure",
    "numberseries", "terms",
)  # fmt: skip

KEPT = "".join(
    f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON billing_{table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION sites_never_emptied();\n"
    for table in TABLES
)
NOT_KEPT = "".join(f"DROP TRIGGER never_emptied ON billing_{table};\n" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_correction_limits"), ("sites", "0007_never_emptied")]

    operations = [migrations.RunSQL(KEPT, NOT_KEPT)]
