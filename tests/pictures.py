"""Pictures for tests, drawn here."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image as Pillow

from chains.providers.base import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> bytes:
    """Return an image file: the left half red, the right half blue."""
    image = Pillow.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    return encoded(image.convert(mode), kind, **options)


def encoded(image: Pillow.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a drawing as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def shown(name: str = "cat.png", kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> Image:
    """Return a picture as providers get it."""
    data = base64.b64encode(picture(kind, size)).decode()
    return Image(name, f"image/{kind.lower()}", data, *size, attachment=7)
