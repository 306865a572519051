"""The application's settings, read in the environment of the tests."""

import os

from tests import environment

environment.enter()

from chainchat.settings import *  # noqa: E402, F403
from chainchat.settings import CHANNEL_LAYERS, REDIS_URL, STORAGES  # noqa: E402

# Processes that a test starts are the real thing.
os.environ["DJANGO_SETTINGS_MODULE"] = "chainchat.settings"

# A good hash is slow on purpose; every test that logs in would pay for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# What throttles count is emptied before each test, also where that test may use no database.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# Only a served installation has collected its static files.
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if REDIS_URL:
    # Test processes beside each other share one Redis: none may hear another.
    _process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    CHANNEL_LAYERS["default"]["CONFIG"]["prefix"] = f"asgi-{_process}"  # type: ignore[index]
