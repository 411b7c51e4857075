"""Pictures are decoded and written anew: what is hidden in them (place, device, foreign code) is gone.

Pillow comes with the extra ``images``; without it, pictures are refused with the command that brings it.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from keyun.errors import Invalid

if TYPE_CHECKING:
    from keyun.runtime import Runtime

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
#: The longest side of what is kept, and of the smaller pictures by name.
KEPT = 4000
SIZES = {"web": 1600, "thumb": 320}
QUALITY = 85
#: A progressive JPEG has about ten scans. Each goes over all pixels, so a megabyte of empty ones takes long.
MOST_SCANS = 100
#: Any marker but those that belong to the pixels: a stuffed zero, a restart.
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
COMMAND = "pip install 'keyun[images]'"
BROKEN = "图片打不开或不完整，请换一张。 (The picture is broken or cut off; choose another one.)"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was written anew."""

    width: int
    height: int


def available() -> bool:
    """Whether pictures can be read here."""
    return importlib.util.find_spec("PIL") is not None


def clean(runtime: Runtime, file: IO[bytes], target: IO[bytes], kind: str, most_pixels: int) -> Picture:
    """Write the picture in ``file`` to ``target``: upright, at most :data:`KEPT` pixels a side, and bare.

    Its dimensions are read and judged before anything is decoded.

    :raises Invalid: when it has too many pixels, is broken, or nothing here reads pictures.
    """
    if not available():
        message = f"本站还不能处理图片，请管理员运行 {COMMAND}。 (Pictures need {COMMAND}.)"
        raise Invalid(message, {"file": [message]})
    if kind == "image/jpeg" and _scans(file) > MOST_SCANS:
        raise Invalid(BROKEN, {"file": [BROKEN]})
    with _decoder(runtime):
        return _write(_opened(file, kind, most_pixels), target, kind, KEPT)


def shrink(runtime: Runtime, file: IO[bytes], target: IO[bytes], kind: str, name: str) -> Picture:
    """Write the picture of a kept file to ``target`` in the size ``name``."""
    with _decoder(runtime):
        return _write(_opened(file, kind, KEPT * KEPT), target, kind, SIZES[name])


def _scans(file: IO[bytes]) -> int:
    """How many scans the JPEG in ``file`` has, from marker to marker as decoders go (ITU T.81, B.1)."""
    file.seek(0)
    data, place, count = file.read(), 2, 0
    while (found := MARKER.search(data, place)) and found[1] != b"\xd9":
        count += found[1] == b"\xda"
        # What belongs to a marker is skipped, so that a thumbnail in it does not count.
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return count


def _decoder(runtime: Runtime) -> threading.Lock:
    """One picture at a time in each process: a decoded one takes a hundred times its bytes."""
    return runtime.derived("files.decoder", threading.Lock)


def _opened(file: IO[bytes], kind: str, most_pixels: int) -> Any:
    from PIL import Image

    file.seek(0)
    try:
        image = Image.open(file, formats=[FORMATS[kind]])
        width, height = image.size
    # A stranger's file may break the decoder in any way.
    except Exception as e:
        raise Invalid(BROKEN, {"file": [BROKEN]}) from e
    if width * height > most_pixels or max(width, height) > 30_000:
        message = (
            f"图片有 {width} × {height} 像素，太大了，最多 {most_pixels // 1_000_000} 百万像素。"
            f" (The picture has {width} × {height} pixels; at most {most_pixels // 1_000_000} million.)"
        )
        raise Invalid(message, {"file": [message]})
    return image


def _write(image: Any, target: IO[bytes], kind: str, longest: int) -> Picture:
    from PIL import ImageOps

    try:
        # A JPEG is decoded smaller at once.
        image.draft("RGB", (longest, longest))
        image.load()
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((longest, longest))
        upright = _plain(upright, kind)
        more = {} if kind == "image/png" else {"quality": QUALITY}
        upright.save(target, FORMATS[kind], **more)
    except Exception as e:
        raise Invalid(BROKEN, {"file": [BROKEN]}) from e
    return Picture(*upright.size)


def _plain(image: Any, kind: str) -> Any:
    """Only pixels, in a mode that every browser shows."""
    from PIL import Image

    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    mode = "RGBA" if has_alpha and kind != "image/jpeg" else "RGB"
    pixels = image.convert(mode)
    plain = Image.new(mode, pixels.size)
    plain.paste(pixels)
    return plain
