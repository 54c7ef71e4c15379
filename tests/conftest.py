"""
Set-up of the whole suite: real servers, started once and shared.
"""

import uuid

import pytest
from django.conf import settings as project_settings
from pytest_django import Settings

from portal import embedded

embedded.ensure_running()
# What an earlier run, or another at the same time, has counted in the cache is not ours.
project_settings.CACHES["default"]["KEY_PREFIX"] = f"test-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    # The real hash is slow on purpose; nothing here tests its strength.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
