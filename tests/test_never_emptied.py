"""
Tables whose rows are kept refuse TRUNCATE.
"""

import pytest
from django.db import IntegrityError, connection, transaction

pytestmark = pytest.mark.django_db

# Row triggers by which a table keeps what is in it.
KEEPS = ("append_only", "frozen", "is_kept", "kept", "never_changed", "never_edited",
         "never_rewritten", "only_ends")  # fmt: skip


def _tables(*triggers: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE c.relkind = 'r' AND t.tgenabled = 'O' AND t.tgname = ANY(%s)",
            [list(triggers)],
        )
        return {name for (name,) in cursor.fetchall()}


def test_whatever_refuses_update_or_delete_refuses_to_be_emptied():
    kept, refusing = _tables(*KEEPS), _tables("never_emptied")

    assert {"billing_invoice", "billing_invoiceline", "sites_auditentry"} <= kept
    assert kept - refusing == set()
    assert {"billing_contract", "telemetry_heatentry", "telemetry_ingestbatch"} <= refusing


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE billing_invoicedocument",
        "TRUNCATE billing_lineevidence",
        "TRUNCATE billing_invoice CASCADE",
        "TRUNCATE sites_auditentry",
        "TRUNCATE telemetry_heatentry",
        # By way of what they refer to.
        "TRUNCATE sites_stakeholder CASCADE",
        "TRUNCATE telemetry_channel CASCADE",
    ],
)
def test_truncate_is_refused_without_the_setting_of_the_tests(statement):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL warmgrid.may_empty = ''")
        with pytest.raises(IntegrityError, match="is never emptied"), transaction.atomic():
            cursor.execute(statement)
        cursor.execute("SET LOCAL warmgrid.may_empty = 'yes'")
        cursor.execute(statement)
