"""
carbon.txt: what we write is valid for the validator of its authors, and faults are named.
"""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain.carbon_txt import DOC_TYPES, Disclosure, faults, written

VALIDATOR = Path(sys.executable).with_name("carbon-txt")
SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "i_carbontxt"
DAY = dt.date(2026, 11, 1)
SITE = Disclosure("web-page", "https://heat.example.org/p/a/b/", "A “site”", dt.date(2027, 1, 1))
SOUND = written(disclosures=[SITE], updated=DAY)


def _validator_accepts(path: Path) -> bool:
    found = subprocess.run(
        [VALIDATOR, "validate", "file", str(path)], capture_output=True, timeout=60, check=False
    )
    return found.returncode == 0


@pytest.mark.parametrize(
    "url", ["https://heat.example.org/p/a/", "http://127.0.0.1:8000/p/a/", "http://localhost/p/"]
)
def test_what_we_write_is_valid_for_the_validator(tmp_path: Path, url: str):
    file = tmp_path / "carbon.txt"
    file.write_text(
        written(
            disclosures=[SITE, Disclosure("sustainability-page", url, 'with "quotes"', DAY)],
            updated=DAY,
        )
    )

    assert faults(file.read_text()) == []
    assert _validator_accepts(file)


@pytest.mark.parametrize(
    ("sound", "broken", "said"),
    [
        ('doc_type = "web-page"', 'doc_type = "webpage"', "org.disclosures[0].doc_type"),
        ('"https://heat', '"heat', "org.disclosures[0].url"),
        ('url = "https://heat.example.org/p/a/b/", ', "", "org.disclosures[0].url"),
        ("2027-01-01", "next year", "org.disclosures[0].valid_until"),
        ('domain = "heat.example.org"', 'domain = "https://x"', "org.disclosures[0].domain"),
        ("title", "headline", "org.disclosures[0].headline"),
        ('version = "0.4"', 'version = "9.9"', "version"),
        ("2026-11-01", "November", "last_updated"),
        ("[org]", "[organisation]", "organisation"),
        ("disclosures = [", "evidence = [", "org.evidence"),
        ("[org]", "[org", "not TOML"),
    ],
)
def test_each_fault_is_named_and_the_validator_agrees(
    tmp_path: Path, sound: str, broken: str, said: str
):
    file = tmp_path / "carbon.txt"
    assert sound in SOUND
    file.write_text(SOUND.replace(sound, broken))

    found = faults(file.read_text())

    assert any(said in fault for fault in found), found
    assert all(fault.endswith(".") for fault in found)
    assert not _validator_accepts(file)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the shared data is not there")
@pytest.mark.parametrize(
    "file", sorted([*SAMPLES.rglob("*.txt"), *SAMPLES.rglob("*.toml")]), ids=lambda p: p.name
)
def test_other_peoples_files_are_judged_as_by_the_validator(file: Path):
    assert (faults(file.read_text()) == []) == _validator_accepts(file)


def test_nothing_to_disclose_is_no_file():
    with pytest.raises(ValueError, match="nothing to disclose"):
        written(disclosures=[], updated=DAY)


@given(
    st.lists(
        st.builds(
            Disclosure, st.sampled_from(DOC_TYPES), st.just("https://a.example/"),
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40),
            st.dates(min_value=dt.date(2000, 1, 1)),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_any_title_can_be_written(disclosures: list[Disclosure]):
    assert faults(written(disclosures=disclosures, updated=DAY)) == []
