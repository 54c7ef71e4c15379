"""
The golden cases of every formula that is implemented, and the runner itself.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import golden

HERE = Path(__file__).resolve().parent
CASES = json.loads((HERE / "golden-domain.json").read_text())
KNOWN = [case for case in CASES if golden.formula_of(case["id"])]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case["id"])
def test_golden(case: dict[str, object]):
    assert golden.judge(case) is None


def test_every_formula_has_a_case():
    used = {golden.formula_of(case["id"]) for case in KNOWN}

    assert used == set(golden.FORMULAS.values())


def test_the_runner_names_what_fails(tmp_path: Path):
    good = next(case for case in CASES if case["id"] == "heat.units")
    wrong = {**good, "expected": {**good["expected"], "kWh_from_Gcal": 2327.0}}
    unknown = {**good, "id": "no.such.formula"}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([good, wrong, unknown]))

    done = subprocess.run(
        [sys.executable, "tests/golden.py", str(file)],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0] == "ok   heat.units"
    assert lines[1].startswith("FAIL heat.units: got")
    assert lines[2] == "FAIL no.such.formula: unknown id"
    assert lines[3] == "1 passed, 2 failed"
