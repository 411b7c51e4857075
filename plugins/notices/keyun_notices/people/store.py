"""The file of resident bitmaps: a new file for each build, then one atomic pointer.

A file begins with a line of JSON (format, definition of the attributes, place in the event log, and where
each bitmap lies), followed by the bitmaps in the portable format of Roaring.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from keyun.events import Cursor
from keyun_notices.audience.attributes import Value
from keyun_notices.audience.evaluate import People

FORMAT = 1
POINTER = "current"
REBUILD = "run `keyun notices rebuild`"


class FileMissing(Exception):
    """The file is gone, damaged or of another kind; the text names the command that makes it anew."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a file says of itself.

    ``origin`` names the reading of the database that it descends from; ``cursor`` is the place in the log up
    to which it is in step, ``mark`` the moment of the event there, so that another log is noticed.
    """

    definition: int
    origin: str
    cursor: Cursor
    mark: str


def write(folder: Path, people: People, note: Note) -> str:
    """Store ``people`` and make the file current; a crash leaves the old one current. Returns its name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{uuid.uuid4().hex[:12]}.people"
    places: list[tuple[str | None, Value | None, int]] = []
    blobs: list[bytes] = []

    def add(attribute: str | None, value: Value | None, who: BitMap) -> None:
        blobs.append(who.serialize())
        places.append((attribute, value, len(blobs[-1])))

    add(None, None, people.universe)
    for attribute, known in people.values.items():
        for value, who in known.items():
            add(attribute, value, who)
    body = b"".join(blobs)
    head = {
        "format": FORMAT,
        "definition": note.definition,
        "origin": note.origin,
        "cursor": [note.cursor.transaction, note.cursor.event_id],
        "mark": note.mark,
        "attributes": list(people.values),
        "places": places,
        "check": zlib.crc32(body),
    }
    _write(folder / name, json.dumps(head, ensure_ascii=False).encode() + b"\n" + body)
    _write(folder / POINTER, name.encode())
    _sweep(folder, name)
    return name


def current(folder: Path) -> str | None:
    """The name of the current file; a cheap question for every request."""
    try:
        return (folder / POINTER).read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def note(folder: Path, name: str) -> Note:
    """What the file says of itself.

    :raises FileMissing: when it is gone or damaged.
    """
    try:
        with open(folder / name, "rb") as f:
            return _note(_head(f.readline()))
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise FileMissing(f"{folder / name}: damaged ({e}); {REBUILD}") from e


def read(folder: Path, name: str) -> tuple[People, Note]:
    """The people in the file.

    :raises FileMissing: when it is gone or damaged.
    """
    try:
        with open(folder / name, "rb") as f:
            head = _head(f.readline())
            body = f.read()
        if zlib.crc32(body) != head["check"]:
            raise ValueError("its check sum is wrong")
        return _people(head, body), _note(head)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise FileMissing(f"{folder / name}: damaged ({e}); {REBUILD}") from e


def _head(line: bytes) -> dict[str, Any]:
    head = json.loads(line)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"not format {FORMAT}")
    return head


def _note(head: dict[str, Any]) -> Note:
    return Note(head["definition"], head["origin"], Cursor(*head["cursor"]), head["mark"])


def _people(head: dict[str, Any], body: bytes) -> People:
    universe = BitMap()
    values: dict[str, dict[Value, BitMap]] = {name: {} for name in head["attributes"]}
    start = 0
    for attribute, value, size in head["places"]:
        who = BitMap.deserialize(body[start : start + size])
        start += size
        if attribute is None:
            universe = who
        else:
            values[attribute][value] = who
    return People(universe, values)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    with open(temporary, "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


def _sweep(folder: Path, keep: str) -> None:
    """Remove older files but one: a process may be between reading the pointer and opening the file."""
    found = [p for p in folder.glob("*.people") if p.name != keep]
    for old in sorted(found, key=lambda p: p.stat().st_mtime)[:-1]:
        old.unlink(missing_ok=True)
