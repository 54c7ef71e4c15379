"""
Chromium for tests that look at pages as a person does.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium")
STYLEGUIDE = Path(__file__).with_name("styleguide.html")


def _require() -> None:
    if CHROMIUM is not None:
        return
    if os.environ.get("E2E") == "required":
        pytest.fail("Chromium is not installed, and E2E=required wants the browser tests.")
    pytest.skip("Chromium is not installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """
    A browser for one module of tests.
    """
    _require()
    # Playwright keeps an event loop in this thread for as long as it runs; Django would take the
    # factories' queries for a mistake.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
