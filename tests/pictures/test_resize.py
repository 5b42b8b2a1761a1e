import random
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from feedbridge.pictures.kinds import Kind, identify
from feedbridge.pictures.resize import Shape, fit, is_installed

pytest.importorskip("PIL")
from PIL import Image, ImageOps


def noise(width: int, height: int, form: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture that packs badly."""
    pixels = random.Random(1).randbytes(width * height * len(Image.new(mode, (1, 1)).getbands()))
    return saved(Image.frombytes(mode, (width, height), pixels), form, **options)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def size_of(data: bytes | None) -> tuple[str, int, int] | None:
    if data is None:
        return None
    kind = identify(data)
    assert isinstance(kind, Kind)
    return kind.ending, kind.width, kind.height


@pytest.mark.parametrize(
    ("form", "width", "to", "found"),
    [
        ("JPEG", 100, None, ("jpg", 100, 75)),
        ("PNG", 100, None, ("png", 100, 75)),
        ("WEBP", 100, None, ("webp", 100, 75)),
        ("BMP", 100, None, None),
        ("BMP", None, "WEBP", ("webp", 400, 300)),
        ("JPEG", 100, "WEBP", ("webp", 100, 75)),
        ("PNG", None, "WEBP", ("webp", 400, 300)),
        ("PNG", 4000, "WEBP", ("webp", 400, 300)),
        ("PNG", 400, None, None),
        ("GIF", 100, None, None),
    ],
)
def test_pictures_become_narrower(form: str, width: int | None, to: str | None, found: object) -> None:
    """With their proportions, and in another form if that is wanted; what is narrow enough stays so wide."""
    assert size_of(fit(noise(400, 300, form), width=width, form=to)) == found


def test_a_file_is_read_like_bytes(tmp_path: Path) -> None:
    """A picture need not be in memory."""
    path = tmp_path / "picture"
    path.write_bytes(noise(400, 300, "PNG"))
    assert size_of(Shape(width=100, form="WEBP").fit(path)) == ("webp", 100, 75)


def test_shapes_have_different_names() -> None:
    """So that a picture is not taken for the same in another shape."""
    shapes = [Shape(), Shape(width=8), Shape(width=80), Shape(form="WEBP"), Shape(width=8, form="WEBP")]
    assert len({shape.name for shape in shapes}) == len(shapes)


def test_a_turned_picture_is_upright() -> None:
    """Exif says how it is to be turned; it is turned, and what else Exif told is gone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A maker, and where it was"
    made = fit(noise(1200, 900, "JPEG", exif=exif), width=300, form=None)
    assert size_of(made) == ("jpg", 300, 400)
    assert made is not None
    assert b"maker" not in made
    with Image.open(BytesIO(made)) as image:
        assert ImageOps.exif_transpose(image).size == (300, 400)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_mode_is_written(mode: str) -> None:
    """Palettes, transparency and deep greys are read."""
    image = Image.new("RGBA", (300, 300), (200, 10, 10, 120)).convert("RGB" if mode in {"I;16", "CMYK"} else "RGBA")
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    if mode != "CMYK":
        made = fit(saved(image, "PNG", compress_level=0), width=100, form="WEBP")
    else:
        made = fit(saved(image, "JPEG"), width=100, form="WEBP")
    assert size_of(made) == ("webp", 100, 100)


def test_transparency_stays() -> None:
    """A picture that can be seen through is seen through in the other form."""
    made = fit(saved(Image.new("RGBA", (90, 90), (9, 9, 9, 0)), "PNG", compress_level=0), width=30, form="WEBP")
    assert made is not None
    with Image.open(BytesIO(made)) as image:
        assert image.convert("RGBA").getpixel((1, 1))[3] == 0  # type: ignore[index]
    assert fit(saved(Image.new("RGBA", (90, 90)), "PNG", compress_level=0), width=30, form="JPEG") is None


def test_moving_pictures_are_left_alone() -> None:
    """All of their frames, not the first alone."""
    frames = [Image.new("RGB", (90, 90), colour) for colour in ("red", "blue")]
    for form in ("WEBP", "PNG", "GIF"):
        moving = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert fit(moving, width=30, form="WEBP") is None


def test_what_would_be_no_smaller_is_left_alone() -> None:
    """A picture that is small already is not written once more."""
    assert fit(noise(100, 100, "WEBP"), width=100, form="WEBP") is None
    assert fit(noise(100, 100, "JPEG", quality=10), width=None, form="PNG") is None


def test_what_cannot_be_read_is_left_alone() -> None:
    """Broken pictures, other files, and what is too large to unpack."""
    whole = noise(400, 300, "JPEG")
    assert fit(whole[:2000], width=100, form=None) is None
    assert fit(b"rubbish", width=100, form=None) is None
    assert fit(saved(Image.new("1", (4100, 4100)), "PNG"), width=100, form=None) is None
    assert fit(saved(Image.new("1", (15_000, 15_000)), "PNG"), width=100, form=None) is None


def test_a_large_jpeg_is_unpacked_smaller() -> None:
    """It is never whole in memory."""
    large = saved(Image.new("RGB", (6000, 4000), "teal"), "JPEG")
    assert size_of(fit(large, width=600, form=None)) == ("jpg", 600, 400)
    assert size_of(fit(saved(Image.new("RGB", (4000, 4000)), "JPEG"), width=500, form=None)) == ("jpg", 500, 500)


def test_pillow_is_looked_for_without_loading_it() -> None:
    """The extra is known to be there."""
    assert is_installed()
