"""Which kind of file something is, by its first bytes alone: names and endings say nothing.

A handful of kinds is known, each by a sign that no browser takes for a page. What is none of them is
refused; a library that guesses among thousands would let more in.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import IO

PICTURES = ("image/jpeg", "image/png", "image/webp")
#: Kind to the ending that its names get.
ENDINGS = {
    "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "application/pdf": "pdf",
    "audio/mpeg": "mp3", "video/mp4": "mp4", "text/plain": "txt",
}  # fmt: skip
HEAD = 4096
#: A text that begins like this is a page for browsers, and served as nothing.
MARKUP = re.compile(
    rb"^[\s\xef\xbb\xbf]*<(!doctype|!--|html|head|body|script|svg|\?xml|iframe|a\b)", re.IGNORECASE
)
INSIDE = re.compile(rb"<(script|svg|html|iframe|object|embed)\b", re.IGNORECASE)
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*/\\]')


def kind_of(file: IO[bytes]) -> str | None:
    """The kind of ``file``, which is read from its beginning; None when it is no known one, or cut off."""
    file.seek(0)
    head = file.read(HEAD)
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return "application/pdf" if b"%%EOF" in _tail(file) else None
    if head[4:8] == b"ftyp" and head[8:12] in (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash"):
        return "video/mp4"
    if head.startswith(b"ID3") or (len(head) > 4 and head[0] == 0xFF and head[1] in (0xFB, 0xF3, 0xF2)):
        return "audio/mpeg"
    return "text/plain" if _is_text(file, head) else None


def clean_name(name: str, kind: str) -> str:
    """``name`` without folders and signs that mean something to a system, with the ending of ``kind``."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    shown = "".join(
        c for c in UNSAFE.sub("", last) if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")
    )
    stem = shown.rpartition(".")[0] if "." in shown.strip(".") else shown
    stem = " ".join(stem.split()).strip(". ")[:100] or "file"
    return f"{stem}.{ENDINGS[kind]}"


def _tail(file: IO[bytes]) -> bytes:
    end = file.seek(0, 2)
    file.seek(max(0, end - 2048))
    return file.read()


def _is_text(file: IO[bytes], head: bytes) -> bool:
    """Whether the whole of it is UTF-8 without control characters, and no page."""
    if not head or MARKUP.match(head) or INSIDE.search(head):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(65536):
            if re.search(rb"[\x00-\x08\x0e-\x1f]", chunk):
                return False
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
