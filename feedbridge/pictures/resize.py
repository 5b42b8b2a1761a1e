"""Smaller pictures, with Pillow (the extra `images`)."""

import threading
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 16_000_000
"""Larger pictures are left as they are: unpacked, one would take a hundred megabytes."""

FORMS = ("WEBP", "JPEG", "PNG")

_READ = ("JPEG", "PNG", "WEBP", "BMP")
_QUALITY = 82
_ORIENTATION, _UPSIDE_DOWN = 0x0112, 4  # further ones lie on a side
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What pictures are made into: at most so wide, and of one of `FORMS`; None: as they are."""

    width: int | None = None
    form: str | None = None

    @property
    def name(self) -> str:
        """Tells shapes apart."""
        return f"{self.width or ''}{self.form or ''}"

    def fit(self, path: Path) -> bytes | None:
        """As `fit`."""
        return fit(path, width=self.width, form=self.form)


def is_installed() -> bool:
    """Whether pictures can be made smaller."""
    return find_spec("PIL") is not None


def fit(data: Path | bytes, *, width: int | None, form: str | None) -> bytes | None:
    """Make a picture narrower, or write it in another form; takes a while, so call it in a thread.

    Turned as its Exif says, without any other of its metadata but the colour profile. One picture is in work at a
    time.

    Args:
        data: The picture, as bytes or a file.
        width: In pixels, at most; None: as it is.
        form: One of `FORMS`; None: as it is.

    Returns:
        The picture, or None where it is left as it is: it moves, it is too large to be unpacked, it is of another
        kind or broken, or it is as wanted or would become no smaller.
    """
    from PIL import Image

    source = BytesIO(data) if isinstance(data, bytes) else data
    before = len(data) if isinstance(data, bytes) else data.stat().st_size
    with _one_at_a_time:
        try:
            with Image.open(source, formats=_READ) as image:
                made = _made(image, width=width, form=form)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            return None
    return made if made is not None and len(made) < before else None


def _made(image: "Image.Image", *, width: int | None, form: str | None) -> bytes | None:
    from PIL import Image, ImageOps

    form = form or image.format
    if form not in FORMS or getattr(image, "is_animated", False):
        return None
    upright = image.height if image.getexif().get(_ORIENTATION, 1) > _UPSIDE_DOWN else image.width
    if width is not None and upright > width:
        image.draft(None, (image.width * width // upright, image.height * width // upright))  # JPEG unpacks less
    elif form == image.format:
        return None
    if image.width * image.height > MAX_PIXELS:
        return None
    profile = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image)
    if turned.mode not in ("RGB", "RGBA", "L"):
        turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    if width is not None and turned.width > width:
        height = max(1, round(turned.height * width / turned.width))
        turned = turned.resize((width, height), Image.Resampling.LANCZOS)
    if form == "JPEG" and turned.mode == "RGBA":
        return None
    made = BytesIO()
    turned.save(made, form, quality=_QUALITY, icc_profile=profile, exif=b"")
    return made.getvalue()
