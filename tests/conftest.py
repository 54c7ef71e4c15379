"""
What all tests share: the servers they talk to.
"""

import pytest

from portal import embedded


def pytest_configure(config: pytest.Config) -> None:
    # The controller of pytest-xdist starts them once; its workers only connect.
    if not hasattr(config, "workerinput"):
        embedded.ensure_running()
