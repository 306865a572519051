"""Pictures that people upload, drawn anew: upright, of bounded size, one frame, no metadata.

What is stored and sent is never the file that came, so nothing of it but its pixels reaches anybody.
"""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import dataclass

from PIL import Image, ImageOps

logger = logging.getLogger("chains.attachments")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# Decoding needs four bytes for each pixel, whatever the size of the file.
MAX_PIXELS = 40_000_000
TOO_LARGE = f"at most {MAX_PIXELS // 1_000_000} million are read"
MAX_EDGE, THUMBNAIL_EDGE = 2048, 320  # pixels
# Providers take 5 MB of base64 for one picture.
MAX_BYTES = 3_500_000
QUALITIES = (90, 75, 50)
# How many are decoded at a time in this process: each may need 160 MB for a moment.
_room = threading.BoundedSemaphore(2)


class PictureError(ValueError):
    """Why a picture cannot be used; the message is a clause: “is damaged”."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was drawn anew. ``width`` and ``height`` count pixels."""

    media_type: str
    data: bytes
    thumbnail: bytes
    width: int
    height: int


def redraw(data: bytes) -> Picture:
    """Draw an uploaded picture anew. Raises ``PictureError``."""
    with _room:
        try:
            return _redraw(data)
        except (PictureError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise PictureError(f"has too many pixels: {TOO_LARGE}") from error
        except Exception as error:
            # Decoders raise what they like about a damaged file.
            logger.info("A picture could not be read: %r", error)
            raise PictureError("is damaged: it cannot be read as a picture") from error


def _redraw(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=FORMATS) as source:
        width, height = source.size
        if width * height > MAX_PIXELS:
            raise PictureError(f"has {width:,} × {height:,} pixels: {TOO_LARGE}")
        # Phones put several JPEGs into one, which is then an MPO.
        is_photo = source.format in ("JPEG", "MPO")
        # A JPEG can be read at half its size or less; this never goes below what is wanted.
        source.draft(None, (MAX_EDGE, MAX_EDGE))
        image = _plain(ImageOps.exif_transpose(source))
    image.thumbnail((MAX_EDGE, MAX_EDGE), Image.Resampling.LANCZOS)
    media_type, drawn = _encoded(image, is_photo=is_photo)
    small = _without_alpha(image)
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    return Picture(media_type, drawn, _jpeg(small, 80), image.width, image.height)


def _plain(image: Image.Image) -> Image.Image:
    """Return the first frame with eight bits a channel, in RGB or RGBA, and no metadata."""
    if image.mode.startswith("I"):
        # Sixteen bits of grey would be cut off instead of scaled.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    plain = image.convert("RGBA" if has_alpha else "RGB")
    plain.info.clear()
    return plain


def _encoded(image: Image.Image, *, is_photo: bool) -> tuple[str, bytes]:
    if not is_photo:
        png = io.BytesIO()
        image.save(png, "PNG")
        if png.tell() <= MAX_BYTES:
            return "image/png", png.getvalue()
    opaque = _without_alpha(image)
    for quality in QUALITIES:
        jpeg = _jpeg(opaque, quality)
        if len(jpeg) <= MAX_BYTES:
            break
    return "image/jpeg", jpeg


def _jpeg(image: Image.Image, quality: int) -> bytes:
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue()


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.copy()
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
