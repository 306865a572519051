"""The application's settings, read in the environment of the tests."""

import os

from tests import environment

environment.enter()

from chainchat.settings import *  # noqa: E402, F403
from chainchat.settings import STORAGES  # noqa: E402

# Processes that a test starts are the real thing.
os.environ["DJANGO_SETTINGS_MODULE"] = "chainchat.settings"

# A good hash is slow on purpose; every test that logs in would pay for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Only a served installation has collected its static files.
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
