"""
Set-up of the whole suite: real servers, started once and shared.
"""

import pytest
from pytest_django import Settings

from portal import embedded

embedded.ensure_running()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    # The real hash is slow on purpose; nothing here tests its strength.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
