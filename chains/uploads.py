"""What of an upload is kept while it comes in: a bound on disk and memory, whatever a browser sends."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler

MAX_FILE = 10 * 1024 * 1024  # bytes, the largest file that anything here takes
MAX_UPLOAD = 32 * 1024 * 1024  # bytes, of all files of one request


class BoundedUpload(FileUploadHandler):
    """Stands before the handlers that store files, and hands them no more than the bounds and one byte.

    The request is read to its end all the same: so whoever looks at the file's size can answer in words,
    where an upload that is broken off would show as a lost connection.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._in_all = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass a piece on, cut off at the bound; nothing beyond it."""
        room = min(MAX_FILE + 1 - start, MAX_UPLOAD + 1 - self._in_all)
        kept = raw_data[: max(0, room)]
        self._in_all += len(kept)
        return kept or None

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the handlers that stored it."""
