"""Pictures in a request, looked at as strictly as a provider does."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field

from PIL import Image

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
# What every JPEG says of itself.
JFIF = {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
_DATA_URL = re.compile("data:([a-z/]+);base64,(.*)", re.DOTALL)


@dataclass(frozen=True)
class SeenPicture:
    """A picture that could be read; ``metadata`` are the names of what it brings besides its pixels."""

    media_type: str
    width: int
    height: int
    metadata: tuple[str, ...] = ()
    data: bytes = field(default=b"", repr=False)


def from_data_url(address: str) -> SeenPicture:
    """Read an ``image_url``. Raises ``ValueError``."""
    found = _DATA_URL.fullmatch(address)
    if not found:
        raise ValueError("image_url is no data URL")
    return from_base64(found[1], found[2])


def from_base64(media_type: str, text: str) -> SeenPicture:
    """Decode a picture and compare it with what it says it is. Raises ``ValueError``."""
    data = base64.b64decode(text, validate=True)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if FORMATS.get(media_type) != image.format:
            raise ValueError(f"{media_type} does not match {image.format}")
        metadata = tuple(sorted(str(name) for name in {*image.info} - JFIF))
        return SeenPicture(media_type, image.width, image.height, metadata, data)
