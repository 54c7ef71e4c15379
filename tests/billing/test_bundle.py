"""
The evidence file of a document, checked by its own script in a bare Python and by the command.
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing import operations
from billing.documents import evidence_bundle
from billing.models import Invoice
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


def _bundle() -> bytes:
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    made = operations.bill_contract(
        contract_id=make_contract(channel).pk, month=JANUARY, at=LATER, issue=True
    )
    assert made is not None
    return evidence_bundle(invoice=Invoice.objects.get(pk=made.pk))


def _changed(packed: bytes, name: str, old: str, new: str) -> bytes:
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(packed)) as given,
        zipfile.ZipFile(changed, "w") as written,
    ):
        for item in given.namelist():
            text = given.read(item).decode()
            if item.startswith(name):
                assert old in text
                text = text.replace(old, new, 1)
            written.writestr(item, text)
    return changed.getvalue()


def test_a_bundle_checks_itself_in_a_bare_python(tmp_path: Path):
    packed = _bundle()
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path)

    lines = (tmp_path / "lines.csv").read_text().splitlines()
    assert lines[0].startswith("position,charge,description,quantity,unit,unit_price,net")
    assert lines[1].startswith("1,energy,Energy delivered,1860.000,kWh,0.061600,114.58")
    [table] = (tmp_path / "readings").glob("*.csv")
    assert table.read_text().splitlines()[0] == "channel,instant_utc,value"
    assert len(table.read_text().splitlines()) == 746

    def run() -> subprocess.CompletedProcess[str]:
        # -I: no environment, no site packages of ours, nothing but what lies there.
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c",
             "import runpy, sys; sys.path.insert(0, '.');"
             " runpy.run_path('verify.py', run_name='__main__')"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = run()
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr
    [readings] = (tmp_path / "readings").glob("*.txt")
    readings.write_text(readings.read_text().replace("|1250\n", "|1251\n"))
    done = run()
    assert done.returncode == 1
    assert "line 1: the readings in readings/" in done.stdout
    assert "|2026-01-05T03:00:00.000000Z|1251" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"net": "120.00"', '"net": "130.00"', "net is not quantity times price"),
        ('"gross": "279.15"', '"gross": "279.16"', "the totals are not the sums"),
        ('"price_per_kwh": "0.0616', '"price_per_kwh": "0.0617', "differs from its digest"),
        ('"due_on": "2030-01-15"', '"due_on": "2030-02-15"', "the document differs from its hash"),
    ],
)
def test_a_changed_figure_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
):
    packed = _bundle()
    path = tmp_path / "evidence.zip"
    path.write_bytes(packed)
    call_command("verify_invoice", bundle=path)
    assert capsys.readouterr().out == "evidence.zip: equal\n"

    path.write_bytes(_changed(packed, "document.json", old, new))
    with pytest.raises(SystemExit):
        call_command("verify_invoice", bundle=path)
    assert says in capsys.readouterr().out


def test_a_file_that_is_no_bundle_says_so(tmp_path: Path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"nothing")

    with pytest.raises(CommandError, match="no evidence file"):
        call_command("verify_invoice", bundle=path)


def test_the_bundle_names_what_it_holds():
    names = zipfile.ZipFile(io.BytesIO(_bundle())).namelist()

    assert {"README.txt", "document.json", "verify.py", "billing/domain/rating.py"} <= set(names)
    document = json.loads(zipfile.ZipFile(io.BytesIO(_bundle_again())).read("document.json"))
    assert document["lines"][0]["evidence"][0]["reading_count"] == 745


def _bundle_again() -> bytes:
    return evidence_bundle(invoice=Invoice.objects.get())
