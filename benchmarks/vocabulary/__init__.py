"""Keyun's own Chinese vocabularies for synthetic corpora, read from the TOML files of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
Urn = tuple[str, ...]

_GENERAL_FILE, _SENTENCE_FILE = "general.toml", "sentences.toml"


@dataclass(frozen=True, slots=True)
class Discipline:
    """One discipline's words; an urn holds a frequent word more often than a rare one."""

    name: str
    objects: Urn
    methods: Urn
    problems: Urn
    effects: Urn
    rare: Urn
    varieties: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words and sentence patterns.

    ``disciplines`` is ordered by frequency and ``discipline_urn`` holds indexes into it.
    ``general`` maps a list's name to its urn; ``kind_nouns`` an organization's kind to nouns.
    ``patterns`` maps a record type and a part of its text to the sentence patterns of that part.
    ``residents`` maps the first four digits of a prefecture's code to its residents.
    """

    disciplines: tuple[Discipline, ...]
    discipline_urn: tuple[int, ...]
    general: Mapping[str, Urn]
    kinds: Urn
    kind_nouns: Mapping[str, Urn]
    patterns: Mapping[str, Mapping[str, Urn]]
    residents: Mapping[str, int]


def ranked(words: Iterable[T]) -> tuple[T, ...]:
    """Return an urn holding the word of rank r, counted from 0, 240 // (r + 3) times and at least once."""
    return tuple(word for rank, word in enumerate(words) for _ in range(max(1, 240 // (rank + 3))))


def draw(rng: Random, urn: tuple[T, ...]) -> T:
    """Return one element of the urn.

    Only ``Random.random`` is used, the one method whose sequence Python promises to keep for a seed.
    """
    return urn[int(rng.random() * len(urn))]


def vocabulary_files() -> list[Path]:
    """Return the vocabulary files in a fixed order."""
    return sorted(Path(__file__).resolve().parent.glob("*.toml"))


def load() -> Vocabulary:
    """Read the vocabulary files.

    :raises ValueError: when a discipline is in ``general.toml`` but in no other file, or the other way round.
    """
    tables = {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in vocabulary_files()}
    general, patterns = tables.pop(_GENERAL_FILE), tables.pop(_SENTENCE_FILE)
    kinds: dict[str, Any] = general.pop("organization_kinds")
    residents: dict[str, int] = general.pop("residents")
    words = {name: str(text).split() for name, text in general.items()}
    disciplines = _in_order(words.pop("disciplines"), tables)
    return Vocabulary(
        disciplines=disciplines,
        discipline_urn=ranked(range(len(disciplines))),
        general={name: ranked(terms) for name, terms in words.items()},
        kinds=tuple(kind for kind, (share, _) in kinds.items() for _ in range(share)),
        kind_nouns={kind: ranked(nouns.split()) for kind, (_, nouns) in kinds.items()},
        patterns={
            record: {part: tuple(texts) for part, texts in parts.items()}
            for record, parts in patterns.items()
        },
        residents=residents,
    )


def _in_order(names: list[str], tables: Mapping[str, dict[str, Any]]) -> tuple[Discipline, ...]:
    known = {entry["name"]: _discipline(entry) for table in tables.values() for entry in table["discipline"]}
    odd = sorted(set(names) ^ set(known))
    if odd:
        raise ValueError(
            f"{_GENERAL_FILE} and the discipline files disagree about {', '.join(odd)}; add each to both"
        )
    return tuple(known[name] for name in names)


def _discipline(entry: Mapping[str, Any]) -> Discipline:
    urns = {
        part: ranked(entry[part].split()) for part in ("objects", "methods", "problems", "effects", "rare")
    }
    return Discipline(name=entry["name"], varieties=entry.get("varieties", False), **urns)
