"""Files for the next message of a session: take one in, let one go, clear away what nobody sent."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from chains.actions.errors import AttachmentRefused
from chains.models import Attachment, ChatSession, Run, RunAttachment
from chains.models.attachment import AttachmentKind

MAX_FILES = 8  # in one message
MAX_TOTAL = 20 * 1024 * 1024  # bytes, in one message
MAX_TEXT, MAX_PICTURE = 1024 * 1024, 10 * 1024 * 1024  # bytes, of one file
MAX_NAME = 120  # characters
UNSENT_FOR = timedelta(days=7)
# How files of the kinds that are taken as pictures begin.
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_UTF_16, _UTF_32 = (b"\xff\xfe", b"\xfe\xff"), (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
# No text has these; an escape colours a log, a form feed parts its pages.
_BINARY = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b\b")
TOO_MANY = f"A message may carry {MAX_FILES} files: take one away first."
TOO_MUCH = f"All files of a message together may have {MAX_TOTAL // 1024**2} MB: take one away first."
GONE = "A file that was attached is not there any more: attach it again."


def attach(*, session: ChatSession, name: str, data: bytes) -> Attachment:
    """Store a file for the session's next message. Raises ``AttachmentRefused``."""
    sweep_attachments()
    name = file_name(name)
    _check_room(session, len(data))
    attachment = _picture(name, data) if _is_picture(data) else _text(name, data)
    attachment.owner_id, attachment.session = session.owner_id, session
    attachment.save(force_insert=True)
    return attachment


@transaction.atomic
def remove_attachment(*, attachment: Attachment) -> None:
    """Let a file go that no message carries; one that was sent stays with its message."""
    # Whoever sends it just now holds this lock, and then it is sent.
    list(Attachment.objects.select_for_update().filter(pk=attachment.pk).values_list("pk"))
    Attachment.objects.unsent().filter(pk=attachment.pk).delete()


def sweep_attachments() -> None:
    """Clear away files that were attached a week ago and never sent."""
    old = Attachment.objects.unsent().filter(created_at__lt=timezone.now() - UNSENT_FOR)
    for attachment in old.described()[:100]:
        remove_attachment(attachment=attachment)


def carry(*, run: Run, attachments: Sequence[Attachment]) -> None:
    """Make files part of a run's message, in the transaction that writes it. Raises ``AttachmentRefused``."""
    if not attachments:
        return
    check_bounds(attachments)
    ids = [attachment.pk for attachment in attachments]
    mine = Attachment.objects.select_for_update().filter(pk__in=ids, session=run.session_id)
    if len(mine.values_list("pk")) != len(ids):
        raise AttachmentRefused(GONE)
    RunAttachment.objects.bulk_create(
        RunAttachment(run=run, attachment_id=pk, position=place) for place, pk in enumerate(ids)
    )


def check_bounds(attachments: Sequence[Attachment]) -> None:
    """Hold what one message carries within its bounds. Raises ``AttachmentRefused``."""
    if len(attachments) > MAX_FILES:
        raise AttachmentRefused(TOO_MANY)
    if sum(attachment.size for attachment in attachments) > MAX_TOTAL:
        raise AttachmentRefused(TOO_MUCH)


def file_name(name: str) -> str:
    """Return a file's name as a page and a prompt can show it: one line, no folders, of bounded length."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    name = " ".join(shown.replace("`", "'").split()) or "file"
    stem, dot, ending = name.rpartition(".")
    if len(name) <= MAX_NAME or not stem or len(ending) > 20:
        return name[:MAX_NAME]
    return stem[: MAX_NAME - len(ending) - 1] + dot + ending


def _check_room(session: ChatSession, size: int) -> None:
    waiting = session.attachments.unsent()
    if waiting.count() >= MAX_FILES:
        raise AttachmentRefused(TOO_MANY)
    if (waiting.aggregate(total=Sum("size"))["total"] or 0) + size > MAX_TOTAL:
        raise AttachmentRefused(TOO_MUCH)


def _is_picture(data: bytes) -> bool:
    return data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _picture(name: str, data: bytes) -> Attachment:
    if len(data) > MAX_PICTURE:
        raise AttachmentRefused(f"“{name}” is too large: a picture may have {_megabytes(MAX_PICTURE)}.")
    # On first use: a process that gets no picture does not pay for Pillow.
    from chains.actions.pictures import PictureError, redraw

    try:
        drawn = redraw(data)
    except PictureError as error:
        raise AttachmentRefused(f"“{name}” {error}.") from error
    return Attachment(
        name=name,
        kind=AttachmentKind.IMAGE,
        media_type=drawn.media_type,
        size=len(drawn.data),
        sha256=hashlib.sha256(drawn.data).hexdigest(),
        data=drawn.data,
        thumbnail=drawn.thumbnail,
        width=drawn.width,
        height=drawn.height,
    )


def _text(name: str, data: bytes) -> Attachment:
    text = _decoded(name, data)
    stored = text.encode()
    return Attachment(
        name=name,
        kind=AttachmentKind.TEXT,
        media_type="text/plain",
        size=len(stored),
        sha256=hashlib.sha256(stored).hexdigest(),
        text=text,
    )


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((*_UTF_16, *_UTF_32)):
        raise AttachmentRefused(f"“{name}” is text in another encoding (UTF-16): save it as UTF-8.")
    if not _BINARY.isdisjoint(data):
        raise AttachmentRefused(
            f"“{name}” is neither text nor a picture that can be used: attach text in UTF-8, or a picture "
            "as PNG, JPEG, WebP or GIF."
        )
    if len(data) > MAX_TEXT:
        raise AttachmentRefused(f"“{name}” is too large: a text may have {_megabytes(MAX_TEXT)}.")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise AttachmentRefused(f"“{name}” is text in another encoding: save it as UTF-8.") from error
    if not text.strip():
        raise AttachmentRefused(f"“{name}” is empty.")
    return text


def _megabytes(size: int) -> str:
    return f"{size // 1024**2} MB"
