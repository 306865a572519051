"""Static files: their hashed names, and their collection when they changed."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Names every file after its content, the modules that scripts import too: no browser mixes versions."""

    support_js_module_import_aggregation = True


def collect_when_changed() -> None:
    """Copy, hash and compress static files unless nothing changed since the last time."""
    if settings.DEBUG:
        return
    stamp = settings.STATIC_ROOT.with_suffix(".stamp")
    fingerprint = _fingerprint()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    # We ship htmx ourselves; django-htmx's copies import names that are no files.
    ignored = ["django_htmx"]
    call_command("collectstatic", verbosity=0, interactive=False, clear=True, ignore_patterns=ignored)
    stamp.write_text(fingerprint)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            digest.update(f"{path} {storage.size(path)} {storage.get_modified_time(path)}\n".encode())
    return digest.hexdigest()
