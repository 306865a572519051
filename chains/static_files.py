"""Static files: hashed names, collection when they changed, serving, and styles to put into a file."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.management import call_command
from django.utils.safestring import SafeString, mark_safe
from servestatic import ServeStaticASGI
from servestatic.storage import CompressedManifestStaticFilesStorage

SHEET = "css/app.css"
# What Django puts into the name of a file: as long as a name stays, so does what it stands for.
_HASHED = r"\.[0-9a-f]{12}\.[^/]+$"


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Names every file after its content, the modules that scripts import too: no browser mixes versions.

    The one stylesheet has what it imports inside itself: one request, and no second round to the server.
    """

    support_js_module_import_aggregation = True

    def post_process(
        self, paths: dict[str, tuple[Any, str]], **options: Any
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Process the files that were collected; ``paths`` has the storage of each and its name there."""
        _, name = paths[SHEET]
        yield from super().post_process(paths | {SHEET: (_JoinedSheet(), name)}, **options)


class _JoinedSheet:
    def open(self, name: str) -> ContentFile:
        text = _stylesheet("app")
        imported = re.findall(r'^@import url\("([\w-]+)\.css"\);$', text, re.MULTILINE)
        return ContentFile(_joined(imported).encode(), name)


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles for the inside of a ``style`` element, and the digest by which a policy permits them."""

    text: SafeString
    digest: str


@cache
def inline_styles(names: Sequence[str]) -> Styles:
    """Join stylesheets of ours, in the order of the layers that ``app.css`` declares."""
    text = _joined(names)
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Styles(mark_safe(text), f"sha256-{digest}")  # noqa: S308 - our own files


def _joined(names: Sequence[str]) -> str:
    order = _stylesheet("app").partition("@import")[0]
    return "\n".join([order, *map(_stylesheet, names)])


def _stylesheet(name: str) -> str:
    found = finders.find(f"css/{name}.css")
    assert isinstance(found, str), name
    return Path(found).read_text()


def collect_when_changed() -> None:
    """Copy, hash and compress static files unless nothing changed since the last time.

    Those of earlier versions stay: while a new version takes over, pages of the old one still ask for them.
    """
    if settings.DEBUG:
        return
    stamp = settings.STATIC_ROOT.with_suffix(".stamp")
    fingerprint = _fingerprint()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    # A file that is older than its copy would not be copied, as after a step back to an earlier version.
    for path, _ in _originals():
        staticfiles_storage.delete(path)
    # We ship htmx ourselves; django-htmx's copies import names that are no files.
    ignored = ["django_htmx"]
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=ignored)
    stamp.write_text(fingerprint)


def before(pages: Any) -> Any:
    """Return an ASGI application that serves the collected files itself, and asks ``pages`` for the rest.

    A first visit asks for some fifty files: through Django's middleware each would take twice as long.
    """
    if settings.DEBUG:
        return ASGIStaticFilesHandler(pages)
    return ServeStaticASGI(
        pages,
        root=settings.STATIC_ROOT,
        prefix=settings.STATIC_URL,
        immutable_file_test=_HASHED,
        add_headers_function=_add_headers,
    )


def _add_headers(headers: Headers, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path, storage in _originals():
        digest.update(f"{path} {storage.size(path)} {storage.get_modified_time(path)}\n".encode())
    return digest.hexdigest()


def _originals() -> Iterator[tuple[str, Storage]]:
    for finder in get_finders():
        yield from finder.list([])
