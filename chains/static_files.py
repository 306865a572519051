"""Static files: their hashed names, their collection when they changed, and styles to put into a file."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.utils.safestring import SafeString, mark_safe
from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Names every file after its content, the modules that scripts import too: no browser mixes versions."""

    support_js_module_import_aggregation = True


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles for the inside of a ``style`` element, and the digest by which a policy permits them."""

    text: SafeString
    digest: str


@cache
def inline_styles(names: Sequence[str]) -> Styles:
    """Join stylesheets of ours, in the order of the layers that ``app.css`` declares."""
    order = _stylesheet("app").partition("@import")[0]
    text = "\n".join([order, *map(_stylesheet, names)])
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Styles(mark_safe(text), f"sha256-{digest}")  # noqa: S308 - our own files


def _stylesheet(name: str) -> str:
    found = finders.find(f"css/{name}.css")
    assert isinstance(found, str), name
    return Path(found).read_text()


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
