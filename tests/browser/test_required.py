"""
A machine without Chromium: the browser tests say so, or fail where they are required.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("e2e", "code", "says"),
    [("required", 1, "E2E=required wants the browser tests"), ("", 0, "Chromium is not installed")],
)
def test_without_chromium(e2e: str, code: int, says: str):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-q", "-p", "no:randomly", "-p", "no:cacheprovider",
         "tests/browser/test_scripts.py"],
        cwd=ROOT,
        env={**os.environ, "PATH": "/nowhere", "E2E": e2e},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip

    assert done.returncode == code, done.stdout
    assert says in done.stdout
