"""
Files of readings: sent, guessed, previewed, imported by a worker; batches and refused rows.
"""

import csv
import datetime as dt
import gzip
import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sites.access import Role
from sites.models import Site
from telemetry import operations, tasks
from telemetry.models import (
    ColumnMapping,
    IngestBatch,
    Meter,
    Reading,
    RejectedReading,
    Upload,
    UploadChunk,
)
from tests import factories
from tests.factories_telemetry import (
    LATER,
    csv_of,
    ingest_csv,
    make_heat_channel,
    make_plain_channel,
    make_upload,
)  # fmt: skip
from tests.telemetry.test_telegrams import MULTICAL

pytestmark = pytest.mark.django_db

BODY = "Datum;Energie [MWh];Vorlauf (°C)\n" + "".join(
    f"{day:02}.03.24 00:00;{day},5;{50 + day}\n" for day in range(1, 29)
)


@pytest.fixture
def site() -> Site:
    site = make_heat_channel(unit="kWh").site
    make_plain_channel(site, "heat.supply", "°C")
    return site


@pytest.fixture
def operator(client: Client, site: Site) -> Client:
    client.force_login(factories.make_user(stakeholder=site.operator))
    return client


def _send(client: Client, site: Site, body: bytes, name: str = "März.csv", **more: Any) -> str:
    answer = client.post(
        "/ops/imports/new/", {"site": site.pk, "file": SimpleUploadedFile(name, body), **more}
    )
    assert answer.status_code == 302, answer.content.decode()
    address: str = answer["Location"]
    return address


def _filled(answer: Any, **columns: str) -> dict[str, Any]:
    """
    Return what the page's forms hold, with channels for some columns.
    """
    form, rows = answer.context["form"], answer.context["columns"]
    data = dict(form.initial)
    data |= {
        "columns-TOTAL_FORMS": len(rows), "columns-INITIAL_FORMS": len(rows), "name": "March",
    }  # fmt: skip
    for n, row in enumerate(rows):
        for name in row.fields:
            data[f"columns-{n}-{name}"] = row[name].value() if row[name].value() is not None else ""
        given = columns.get(str(row["column"].value()))
        if given is not None:
            data[f"columns-{n}-channel"] = given
    return data


CHANNELS = {"Energie [MWh]": "heat.energy", "Vorlauf (°C)": "heat.supply"}


def test_a_file_is_guessed_previewed_saved_and_imported(operator, site):
    address = _send(operator, site, BODY.encode("cp1252"))
    page = operator.get(address)
    guessed = page.context["form"].initial
    assert (guessed["separator"], guessed["decimal"]) == (";", ",")
    assert (guessed["stamp"], guessed["time_format"]) == ("Datum", "%d.%m.%y %H:%M")
    assert guessed["zone"] == "Europe/Berlin"
    assert "1.5" in page.content.decode()

    data = _filled(page, **CHANNELS)
    fragment = operator.post(address, data, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert ">1500<" in fragment

    saved = operator.post(address, {**data, "save": "1"})
    upload = Upload.objects.get()
    assert (saved["Location"], upload.state) == (address, "queued")
    assert "is being imported" in operator.get(address).content.decode()

    tasks.import_upload(upload_id=upload.pk)
    tasks.import_upload(upload_id=upload.pk)

    upload.refresh_from_db()
    batch = IngestBatch.objects.get()
    assert (upload.state, upload.batch, batch.accepted) == ("done", batch, 56)
    assert not UploadChunk.objects.exists()
    reading = Reading.objects.filter(channel__key="heat.energy").earliest("at")
    assert reading.at == dt.datetime(2024, 2, 29, 23, tzinfo=dt.UTC)
    assert reading.value == 1500
    assert operator.get(address)["Location"] == f"/ops/imports/batches/{batch.pk}/"
    followed = operator.get(address, headers={"HX-Request": "true"})
    assert followed["HX-Redirect"] == f"/ops/imports/batches/{batch.pk}/"
    assert ColumnMapping.objects.get().code == "march"


def test_a_saved_mapping_and_a_compressed_file_need_no_guess(operator, site):
    make_upload(site).delete()
    mapping = ColumnMapping.objects.get()
    body = gzip.compress(b"time,energy\n2024-01-01,5\n2024-01-02,\n")
    address = _send(operator, site, body, "day.csv.gz", mapping=mapping.pk)

    page = operator.get(address)
    assert page.context["form"].initial["code"] == "meters"
    operator.post(address, {**_filled(page), "save": "1"})
    tasks.import_upload(upload_id=Upload.objects.get().pk)

    batch = IngestBatch.objects.get()
    assert (batch.accepted, batch.missing) == (1, 1)
    assert ColumnMapping.objects.count() == 1


def test_problems_stand_beside_their_line_and_column(operator, site):
    body = "time,energy,heat\n2024-01-01,1,x\n2024-01-02,oops,2\n31.12.,3,3\n"
    address = _send(operator, site, body.encode())
    data = _filled(operator.get(address), energy="heat.energy", heat="heat.nothing")
    data |= {"stamp": "time", "time_format": "iso", "zone": "UTC"}

    page = operator.post(address, data, headers={"HX-Request": "true"}).content.decode()

    assert "not a time as the mapping says" in page
    assert "the site has no channel heat.nothing" in page


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"zone": "Atlantis"}, "Atlantis is no zone"),
        ({"stamp": "Tag"}, "no column &#x27;Tag&#x27;"),
        ({"time_format": "%H:%M"}, "must be iso"),
        ({"channels": "1/1 heat"}, "Write each line as"),
        ({"name": ""}, "This field is required"),
        ({"separator": ""}, "This field is required"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_saved(operator, site, change, told):
    address = _send(operator, site, BODY.encode())
    data = {**_filled(operator.get(address), **CHANNELS), **change, "save": "1"}

    answer = operator.post(address, data)

    if "stamp" in change:
        # Only the file itself tells that; the import says so and keeps the file.
        tasks.import_upload(upload_id=Upload.objects.get().pk)
        answer = operator.get(address)
        assert Upload.objects.get().state == "failed"
    else:
        assert answer.status_code == 422
        assert not ColumnMapping.objects.exists()
    assert told in answer.content.decode()


def test_a_long_table_with_units_in_a_column_and_rows_to_leave_out(operator, site):
    body = (
        "when,address,value,unit,state\n2024-01-01T00:00Z,1,5,MWh,ok\n2024-01-01T00:00Z,2,60,°C,ok\n"
        "2024-01-02T00:00Z,1,6,MWh,lost\n2024-01-03T00:00Z,1,7,MWh,old\n"
    )
    address = _send(operator, site, body.encode())
    data = _filled(operator.get(address), value="{address}")
    n = next(n for n in range(9) if data.get(f"columns-{n}-column") == "value")
    data |= {
        "stamp": "when", "time_format": "iso", "zone": "", f"columns-{n}-unit_column": "unit",
        "channels": "1 = heat.energy\n2 = heat.supply", "skip_rows": "state = lost\nstate = old",
    }  # fmt: skip

    wrong = operator.post(address, {**data, f"columns-{n}-unit": "kWh", "save": "1"})
    assert wrong.status_code == 422
    assert "Choose a unit or the column that tells it." in wrong.content.decode()
    wrong = operator.post(address, {**data, f"columns-{n}-decimals": "12", "save": "1"})
    assert wrong.status_code == 422
    assert "Correct what is marked at the columns." in wrong.content.decode()
    assert not ColumnMapping.objects.exists()
    operator.post(address, {**data, "save": "1"})
    tasks.import_upload(upload_id=Upload.objects.get().pk)

    stored = dict(Reading.objects.values_list("channel__key", "value"))
    assert stored == {"heat.energy": 5000, "heat.supply": 60}
    assert IngestBatch.objects.get().skipped == 2
    spec = ColumnMapping.objects.get().spec
    assert spec["skip_rows"] == [{"column": "state", "values": ["lost", "old"]}]
    mapping = ColumnMapping.objects.get().pk
    again = operator.get(_send(operator, site, body.encode(), mapping=mapping))
    assert again.context["form"].initial["skip_rows"] == "state = lost\nstate = old"


def test_a_file_that_tells_its_format_needs_no_mapping(operator, site):
    Meter.objects.update(serial="77447744")
    address = _send(operator, site, MULTICAL.encode(), "night.hex")
    assert "is being imported" in operator.get(address).content.decode()
    tasks.import_upload(upload_id=Upload.objects.get().pk)
    batch = IngestBatch.objects.get()
    assert (batch.format, batch.accepted) == ("mbus", 1)
    assert operator.get(address)["Location"] == f"/ops/imports/batches/{batch.pk}/"

    broken = _send(operator, site, b"{", "night.json.gz")
    tasks.import_upload(upload_id=Upload.objects.latest("pk").pk)
    page = operator.get(broken)
    assert page.status_code == 200
    assert Upload.objects.latest("pk").problem in page.content.decode()


def test_a_file_without_channels_chosen_is_not_imported(operator, site):
    address = _send(operator, site, BODY.encode())

    answer = operator.post(address, {**_filled(operator.get(address)), "save": "1"})

    assert answer.status_code == 422
    assert "Choose a channel for at least one column" in answer.content.decode()


def test_a_failed_import_can_be_mended_and_tried_again(operator, site):
    address = _send(operator, site, BODY.encode())
    data = _filled(operator.get(address), **CHANNELS)
    operator.post(address, {**data, "columns-0-unit": "kW", "save": "1"})
    tasks.import_upload(upload_id=Upload.objects.get().pk)
    page = operator.get(address).content.decode()
    assert "kW cannot be converted to kWh" in page

    operator.post(address, {**data, "save": "1"})
    tasks.import_upload(upload_id=Upload.objects.get().pk)

    assert Upload.objects.get().state == "done"


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xff\xfe", b"just words", b'"', b"a;b\n1;2\n"])
def test_any_file_can_be_looked_at(operator, site, body):
    upload = make_upload(site, body)

    assert operator.get(f"/ops/imports/files/{upload.pk}/").status_code == 200


def test_a_damaged_archive_is_said(operator, site):
    upload = make_upload(site, b"no gzip at all", "day.csv.gz")

    assert "cannot be read" in operator.get(f"/ops/imports/files/{upload.pk}/").content.decode()


def test_a_file_that_is_too_large_or_absent_is_refused(operator, site, settings):
    settings.INGEST_MAX_BODY_BYTES = 10
    file = SimpleUploadedFile("a.csv", b"x" * 11)

    large = operator.post("/ops/imports/new/", {"site": site.pk, "file": file})
    absent = operator.post("/ops/imports/new/", {"site": site.pk})

    assert (large.status_code, absent.status_code) == (422, 422)
    assert not Upload.objects.exists()


def test_a_neighbours_site_and_mapping_cannot_be_chosen(operator, site):
    neighbour = factories.make_site()
    make_upload(neighbour)
    theirs = ColumnMapping.objects.get()
    file = SimpleUploadedFile("a.csv", BODY.encode())

    wrong_site = operator.post("/ops/imports/new/", {"site": neighbour.pk, "file": file})
    address = _send(operator, site, BODY.encode())
    page = operator.get(f"{address}?mapping={theirs.pk}")

    assert wrong_site.status_code == 422
    assert page.context["form"].initial["code"] == ""


def test_viewers_see_imports_and_cannot_make_any(client, site):
    upload = make_upload(site)
    ingest_csv(site=site, body=csv_of([("x", "y", "z")]))
    batch = IngestBatch.objects.get()
    client.force_login(factories.make_user(stakeholder=site.operator, role=Role.VIEWER))

    assert client.get("/ops/imports/").status_code == 200
    assert "Import a file" not in client.get("/ops/imports/").content.decode()
    assert "Try refused" not in client.get(f"/ops/imports/batches/{batch.pk}/").content.decode()
    for address in ("new/", f"files/{upload.pk}/"):
        assert client.get(f"/ops/imports/{address}").status_code == 404
    assert client.post(f"/ops/imports/batches/{batch.pk}/replay/").status_code == 404


def test_refused_rows_are_filtered_downloaded_and_tried_again(operator, site):
    rows = [("late.energy", f"2024-01-{n:02}T00:00Z", str(n)) for n in range(1, 29)]
    ingest_csv(site=site, body=csv_of([*rows, ("heat.energy", "never", "1")]))
    batch = IngestBatch.objects.get()
    address = f"/ops/imports/batches/{batch.pk}/"

    page = operator.get(address)
    assert "0 of 29 readings were stored" in page.content.decode()
    assert page.context["listing"].count == 29
    assert operator.get(address, {"reason": "bad_instant"}).context["listing"].count == 1
    assert operator.get(address, {"search": "never"}).context["listing"].count == 1
    table = b"".join(operator.get(address, {"format": "csv", "reason": "unknown_channel"}))
    assert len(list(csv.DictReader(io.StringIO(table.decode())))) == 28

    make_heat_channel(site=site, code="late")
    answer = operator.post(f"{address}replay/", follow=True)

    assert "28 of 29 kept rows of the site are stored now" in answer.content.decode()
    assert operator.get(address, {"open_only": "on"}).context["listing"].count == 1
    assert RejectedReading.objects.filter(resolved_by__isnull=True).count() == 1


def test_the_list_is_filtered_and_costs_the_same_for_many(
    operator, site, django_assert_max_num_queries
):
    for n in range(30):
        ingest_csv(site=site, body=csv_of([("heat.energy", f"2024-01-01T00:{n:02}Z", "1")]))
    ingest_csv(site=site, body=csv_of([("x", "y", "z")]))

    with django_assert_max_num_queries(9):
        page = operator.get("/ops/imports/")

    assert page.context["listing"].count == 31
    for given, count in (
        ({"refused": "on"}, 1),
        ({"source": "http"}, 0),
        ({"site": site.slug}, 31),
    ):
        assert operator.get("/ops/imports/", given).context["listing"].count == count
    table = b"".join(operator.get("/ops/imports/", {"format": "csv"})).decode()
    assert table.count("\n") == 32


def test_mappings_are_listed_told_in_words_and_kept_as_json(
    operator, site, django_assert_max_num_queries
):
    make_upload(site)
    mapping = ColumnMapping.objects.get()

    with django_assert_max_num_queries(7):
        page = operator.get("/ops/imports/mappings/", {"search": "met"})
    words = operator.get(f"/ops/imports/mappings/{mapping.pk}/").content.decode()
    kept = json.loads(operator.get(f"/ops/imports/mappings/{mapping.pk}/?format=json").content)

    assert page.context["listing"].count == 1
    assert "heat.energy" in words
    assert "Told by the order of the rows" in words
    operations.save_mapping(
        operator_id=factories.make_site().operator_id, **kept, at=LATER, by_id=None
    )
    assert b"meters" in b"".join(operator.get("/ops/imports/mappings/?format=csv"))


def test_old_files_are_dropped_and_lost_messages_sent_again(site):
    upload = make_upload(site)

    assert operations.drop_old_uploads(made_before=LATER) == 0
    assert operations.drop_old_uploads(made_before=LATER + dt.timedelta(days=8)) == 1
    assert not Upload.objects.filter(pk=upload.pk).exists()
