"""Attachments: what a file is, by its content; kept below ``notices/attachments`` of the instance by digest.

A file is written before the transaction that names it, so a crash leaves a file too many, never one too few;
the sweep takes away what no notice names.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import sqlalchemy as sa

from keyun.access import Actor
from keyun.errors import Invalid, NotFound
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.publishing.draft import Kept
from keyun_notices.publishing.models import Attachment

SEND = "notices.notice.send"
MOST_BYTES = 10 * 1024 * 1024
MOST_NAME = 120
#: After so long a file that no notice names is not on its way to one any more.
ORPHANED = dt.timedelta(days=2)
TEXT = "text/plain"
#: What names of files must not hold: separators, controls, and marks that turn the reading direction.
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\"]")
KINDS: tuple[tuple[str, tuple[str, ...], Callable[[bytes], bool]], ...] = (
    ("application/pdf", (".pdf",), lambda b: b.startswith(b"%PDF-")),
    ("image/png", (".png",), lambda b: b.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", (".jpg", ".jpeg"), lambda b: b.startswith(b"\xff\xd8\xff")),
    ("image/webp", (".webp",), lambda b: b[:4] == b"RIFF" and b[8:12] == b"WEBP"),
)


def keep(actor: Actor, unit: UnitOfWork, name: str, content: bytes) -> Kept:
    """Write a file into the instance and say what it is; the same content is kept once.

    Call it with a reading unit: it writes a file, and a transaction should not wait for that.

    :raises Invalid: when it is empty, too large, or of a kind that is not taken.
    """
    unit.require(actor, SEND)
    kind, ending = _kind(content)
    digest = hashlib.sha256(content).hexdigest()
    path = where(unit.site, digest)
    if not path.exists():
        _write(path, content)
    # The sweep must not take what is about to be named; it goes by the same clock.
    os.utime(path, (unit.now.timestamp(), unit.now.timestamp()))
    return Kept(_name(name, ending), kind, len(content), digest)


def read(site: Site, attachment: Attachment) -> Path:
    """Where the content of ``attachment`` lies.

    :raises NotFound: when the file is gone, as after a restore without the folder.
    """
    path = where(site, attachment.digest)
    if not path.is_file():
        raise NotFound(
            "附件的内容不在这里了，请联系发布单位。 (The content of this file is gone; ask who sent it.)"
        )
    return path


def missing(site: Site, files: Iterable[Kept]) -> list[str]:
    """The names of those among ``files`` whose content does not lie in the instance."""
    return [f.name for f in files if not where(site, f.digest).is_file()]


def where(site: Site, digest: str) -> Path:
    """The place of the content with this SHA-256."""
    return site.runtime.instance / "notices" / "attachments" / digest[:2] / digest


def sweep(site: Site) -> int:
    """Remove files that no notice names and nobody has just written; returns how many."""
    oldest = site.runtime.clock() - ORPHANED
    removed = 0
    for path in sorted((site.runtime.instance / "notices" / "attachments").glob("??/*")):
        if dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC) > oldest:
            continue
        with site.reading() as unit:
            query = sa.select(Attachment.id).where(Attachment.digest == path.name).limit(1)
            if unit.session.scalar(query) is None:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _kind(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The content type and the endings that belong to it; what a file is called does not count."""
    if not content:
        raise _refused("附件是空的。", "The file is empty.")
    if len(content) > MOST_BYTES:
        most = MOST_BYTES // 1024 // 1024
        raise _refused(f"附件最大 {most} MB。", f"A file has at most {most} MB.")
    for kind, endings, fits in KINDS:
        if fits(content):
            return kind, endings
    if _is_text(content):
        return TEXT, (".txt", ".md", ".csv")
    raise _refused(
        "附件只收 PDF、PNG、JPEG、WebP 和纯文本（UTF-8）。",
        "Files are PDF, PNG, JPEG, WebP or plain text in UTF-8.",
    )


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(c < " " and c not in "\t\r\n\f" for c in text)


def _name(name: str, endings: tuple[str, ...]) -> str:
    """``name`` without folders and traps, with an ending that tells the truth."""
    bare = UNSAFE.sub("", re.split(r"[/\\]", name)[-1]).strip(" .") or "附件"
    if not bare.lower().endswith(endings):
        bare += endings[0]
    stem, dot, ending = bare.rpartition(".")
    return stem[: MOST_NAME - len(ending) - 1] + dot + ending


def _refused(zh: str, en: str) -> Invalid:
    message = f"{zh} ({en})"
    return Invalid(message, {"attachments": [message]})


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    with open(temporary, "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)
