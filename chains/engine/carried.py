"""Reads what the messages of a session carry: every text that may fit, and the newest pictures. Blocking."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from chains.engine.files import TextFile, with_files
from chains.engine.prepared import read
from chains.models.attachment import Attachment, AttachmentKind, RunAttachment
from chains.providers.base import Image

# No window holds more: whatever is older would be dropped with its turn anyway.
MAX_TEXT = 8 * 1024 * 1024  # bytes, of all messages of one call together
# So too, the newest first. What one message may carry always fits.
MAX_IMAGES = 8
MAX_IMAGE_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Row:
    run: int
    id: int
    name: str
    kind: str
    size: int


@dataclass(slots=True)
class Carried:
    """The files of some messages, by run."""

    texts: dict[int, list[TextFile]] = field(default_factory=dict)
    images: dict[int, list[Image]] = field(default_factory=dict)
    unseen: dict[int, list[str]] = field(default_factory=dict)
    too_long: set[int] = field(default_factory=set)

    def message(self, run: int, text: str) -> str:
        """Return a message with its texts."""
        return with_files(text, self.texts.get(run, ()))


def load_carried(runs: Sequence[int], *, pictures: bool) -> Carried:
    """Read the files of these runs, newest first; of ``pictures`` that nobody sees only the names.

    ``unseen`` are the pictures that are too many to be sent; ``too_long`` are the runs whose texts were not
    read because no window could hold them.
    """
    rows = [_Row(*values) for values in read(_uses, *runs)]
    carried = Carried()
    if not rows:
        return carried
    place = {run: number for number, run in enumerate(runs)}
    rows.sort(key=lambda row: place[row.run])
    texts = _texts_that_fit([row for row in rows if row.kind == AttachmentKind.TEXT], carried)
    images = [row for row in rows if row.kind == AttachmentKind.IMAGE]
    sent = _images_that_fit(images)
    wanted = {row.id for row in [*texts, *(sent if pictures else ())]}
    contents = Attachment.objects.defer("thumbnail").in_bulk(wanted)
    for row in texts:
        carried.texts.setdefault(row.run, []).append(TextFile(row.name, contents[row.id].text))
    for row in sent:
        carried.images.setdefault(row.run, []).append(_image(row, contents.get(row.id)))
    for row in images[len(sent) :]:
        carried.unseen.setdefault(row.run, []).append(row.name)
    return carried


def _uses(*runs: int) -> QuerySet[RunAttachment, tuple[Any, ...]]:
    columns = ("run_id", "attachment_id", "attachment__name", "attachment__kind", "attachment__size")
    return RunAttachment.objects.filter(run__in=runs).order_by("position").values_list(*columns)


def _texts_that_fit(rows: Iterable[_Row], carried: Carried) -> list[_Row]:
    left, fitting = MAX_TEXT, []
    for row in rows:
        left -= row.size
        if left < 0:
            carried.too_long.add(row.run)
        else:
            fitting.append(row)
    return fitting


def _images_that_fit(rows: Sequence[_Row]) -> list[_Row]:
    left, fitting = MAX_IMAGE_BYTES, []
    for row in rows[:MAX_IMAGES]:
        left -= row.size
        if left < 0:
            break
        fitting.append(row)
    return fitting


def _image(row: _Row, stored: Attachment | None) -> Image:
    if stored is None:
        return Image(row.name, "", "", attachment=row.id)
    # Here, and not where it is sent: there an event loop would wait for it.
    data = base64.b64encode(bytes(stored.data or b"")).decode()
    return Image(row.name, stored.media_type, data, stored.width or 0, stored.height or 0, row.id)
