"""Pictures that people upload: drawn anew, bounded, and of nothing but pixels."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from chains.actions import pictures
from chains.actions.pictures import MAX_BYTES, PictureError, redraw
from tests.pictures import encoded, picture

RED, BLUE = (255, 0, 0), (0, 0, 255)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def is_near(image: Image.Image, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    """Whether a pixel has about this colour: JPEG keeps none exactly."""
    seen = image.convert("RGB").getpixel(place)
    assert isinstance(seen, tuple)
    return all(abs(one - other) < 60 for one, other in zip(seen, colour, strict=True))


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("PNG", "image/png"), ("GIF", "image/png"), ("WEBP", "image/png"), ("JPEG", "image/jpeg")],
)
def test_every_kind_becomes_png_or_jpeg_and_shows_the_same(kind: str, stored: str) -> None:
    drawn = redraw(picture(kind, (80, 60)))
    image = opened(drawn.data)
    assert (drawn.media_type, drawn.width, drawn.height, image.size) == (stored, 80, 60, (80, 60))
    assert is_near(image, (5, 5), RED)
    assert is_near(image, (75, 5), BLUE)


def test_a_large_picture_is_bounded_and_keeps_its_shape():
    drawn = redraw(picture("JPEG", (5000, 2500)))
    assert (drawn.width, drawn.height) == (2048, 1024)
    thumbnail = opened(drawn.thumbnail)
    assert thumbnail.size == (320, 160)
    assert thumbnail.format == "JPEG"


def test_a_small_picture_is_not_made_larger():
    assert (redraw(picture(size=(3, 2))).width, redraw(picture(size=(3, 2))).height) == (3, 2)


def test_nothing_of_what_a_camera_wrote_into_it_is_left():
    exif = Image.Exif()
    exif[0x010E] = "a secret place"  # ImageDescription
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    data = picture("JPEG", exif=exif, comment=b"a secret comment")
    assert b"secret" in data
    drawn = redraw(data)
    assert b"secret" not in drawn.data
    assert not opened(drawn.data).getexif()


def test_texts_in_a_png_are_gone():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "a secret prompt")
    drawn = redraw(picture(pnginfo=texts))
    assert b"secret" not in drawn.data
    assert opened(drawn.data).info == {}


def test_a_picture_that_was_taken_sideways_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    drawn = redraw(picture("JPEG", (80, 40), exif=exif))
    image = opened(drawn.data)
    assert image.size == (40, 80)
    assert is_near(image, (20, 5), RED)
    assert is_near(image, (20, 75), BLUE)


def test_of_a_moving_picture_the_first_frame_is_taken():
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    image = opened(redraw(data).data)
    assert getattr(image, "n_frames", 1) == 1
    assert is_near(image, (5, 5), RED)


def test_what_is_transparent_stays_so_and_is_white_in_the_thumbnail():
    drawn = redraw(encoded(Image.new("RGBA", (10, 10), (0, 0, 0, 0))))
    assert opened(drawn.data).getpixel((5, 5)) == (0, 0, 0, 0)
    assert is_near(opened(drawn.thumbnail), (5, 5), (255, 255, 255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    image = opened(redraw(picture(mode=mode if mode != "I;16" else "L")).data)
    assert image.size == (8, 6)


def test_sixteen_bits_of_grey_are_scaled_and_not_cut_off():
    grey = Image.new("I;16", (4, 4), 128 * 256)
    image = opened(redraw(encoded(grey)).data)
    assert is_near(image, (2, 2), (128, 128, 128))


def test_a_print_in_four_inks_is_read():
    assert redraw(picture("JPEG", mode="CMYK")).media_type == "image/jpeg"


def test_a_picture_that_would_be_too_long_for_providers_becomes_a_jpeg():
    noise = Image.effect_noise((2000, 1600), 90).convert("RGB")
    noise = Image.merge("RGB", [Image.effect_noise(noise.size, 90) for _ in range(3)])
    drawn = redraw(encoded(noise))
    assert drawn.media_type == "image/jpeg"
    assert len(drawn.data) <= MAX_BYTES


def png_header(width: int, height: int) -> bytes:
    """Return a PNG of these dimensions and of a few bytes, as an attacker would send it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8_000, 5_001), (20_000, 20_000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="at most 40 million are read"):
        redraw(png_header(*size))


@pytest.mark.parametrize(
    "data",
    [
        picture("PNG", (400, 400))[:100],
        picture("JPEG", (200, 200))[:300],
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + b"\xff" * 50,
        b"RIFF\x10\0\0\0WEBPVP8 garbage",
        b"\xff\xd8\xff\xe0" + b"\0" * 200,
    ],
)
def test_a_damaged_file_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(PictureError, match="is damaged"):
        redraw(data)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_not_even_tried(kind: str) -> None:
    with pytest.raises(PictureError):
        redraw(picture(kind, (16, 16)))


def test_a_refused_picture_gives_its_place_back():
    for _ in range(5):
        with pytest.raises(PictureError):
            redraw(b"GIF89a")
    assert pictures._room.acquire(blocking=False)
    pictures._room.release()
