"""What is new in a text against an older one: field by field, line by line, within a line word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyun.content.types import ContentType
from keyun.forms import label

#: Beyond so many pieces a comparison takes seconds, and nobody could read it.
MOST_LINES = 2000
MOST_WORDS = 600
#: So many equal lines stay around a change.
AROUND = 1
#: Chinese is compared sign by sign, other languages word by word.
PIECE = re.compile(r"https?://[^\s()（）]+|[A-Za-z0-9]+|\s+|.", re.DOTALL)
GAP = "…"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line: ``kind`` is ``same``, ``removed`` or ``added``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """One field that changed, what people call it, and its lines."""

    label: str
    lines: Sequence[Sequence[Run]]


def difference(kind: ContentType, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Passage]:
    """The fields of ``kind`` whose values differ between two revisions, in the order of the form."""
    schema, found = kind.schema(), []
    names = [f.data_key or name for name, f in schema.fields.items()]
    for name in names:
        before, after = _text(old.get(name)), _text(new.get(name))
        if before != after:
            found.append(Passage(label(schema, name), compare(before, after)))
    return found


def compare(old: str, new: str) -> list[list[Run]]:
    """The lines of ``new`` with what was added and removed; equal lines far from a change are left out."""
    before, after = old.split("\n"), new.split("\n")
    if len(before) + len(after) > MOST_LINES:
        return [[Run("removed", old)], [Run("added", new)]]
    lines: list[list[Run]] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            lines += _shortened(before[i:j], first=i == 0, last=j == len(before))
        else:
            lines += _changed(before[i:j], after[k:m])
    return lines


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[list[Run]]:
    """Lines that stand against each other are compared in themselves; the rest came or went."""
    both = min(len(before), len(after))
    for old, new in zip(before[:both], after[:both], strict=True):
        yield _line(old, new)
    yield from ([Run("removed", line)] for line in before[both:])
    yield from ([Run("added", line)] for line in after[both:])


def _line(old: str, new: str) -> list[Run]:
    before, after = PIECE.findall(old), PIECE.findall(new)
    if len(before) + len(after) > 2 * MOST_WORDS:
        # A long paragraph is compared by its sentences.
        before, after = _sentences(old), _sentences(new)
    if len(before) + len(after) > 2 * MOST_WORDS:
        return [Run("removed", old), Run("added", new)]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    runs: list[Run] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            runs.append(Run("same", "".join(before[i:j])))
            continue
        gone, new_text = "".join(before[i:j]), "".join(after[k:m])
        runs += [Run("removed", gone)] if gone else []
        runs += [Run("added", new_text)] if new_text else []
    return runs


def _sentences(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[。！？；.!?;])", text) if s]


def _shortened(lines: Sequence[str], *, first: bool, last: bool) -> Iterator[list[Run]]:
    before, after = (0 if first else AROUND), (0 if last else AROUND)
    if len(lines) <= before + after + 1:
        yield from ([Run("same", line)] for line in lines)
        return
    yield from ([Run("same", line)] for line in lines[:before])
    yield [Run("same", GAP)]
    yield from ([Run("same", line)] for line in lines[len(lines) - after :] if after)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "，".join(map(str, value))
    return str(value)
