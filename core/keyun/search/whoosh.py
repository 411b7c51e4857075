"""Whoosh 2.7.4 behind the port: a folder per build, an atomic pointer, written by the worker alone."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from keyun.regions.codes import subtree
from keyun.search.analysis import analyzer
from keyun.search.port import Document, IndexGone, Page, Query, Ranked

log = logging.getLogger(__name__)
POINTER = "current"
#: More words than this are a text, not a question: it is cut to its rarest ones.
MOST_WORDS = 8
MAX_QUERY = 2000
MAX_OFFSET = 1000
LOCK_SECONDS = 10.0


class WhooshBackend:
    """One index in ``folder``. Searching is safe from several threads and beside a writing process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()

    def search(self, query: Query) -> Page:
        """Answer ``query``: all words first, then any; without an index the page is empty."""
        words = list(dict.fromkeys(analyzer().words(query.text[:MAX_QUERY])))
        searcher = self._searcher()
        if searcher is None or not words or query.offset > MAX_OFFSET:
            return Page((), 0)
        kept, dropped = _rarest(searcher, words)
        for combine in (_all, _any):
            found = searcher.search(
                combine(kept), limit=query.offset + query.limit, filter=_filter(query), terms=False
            )
            hits = [Ranked(int(h["id"]), float(h.score)) for h in found[query.offset :]]
            total = found.scored_length() if found.has_exact_length() else found.estimated_length()
            if hits or total:
                return Page(hits, max(total, query.offset + len(hits)), dropped)
        return Page((), 0, dropped)

    def update(self, documents: Iterable[Document], gone: Iterable[int]) -> None:
        """Add or replace ``documents`` and remove ``gone`` in one commit."""
        index = self._open()
        if index is None:
            raise IndexGone(f"no index in {self.folder}")
        try:
            writer = index.writer(timeout=LOCK_SECONDS)
        except OSError as e:
            raise IndexGone(f"{self.folder}: {e}") from e
        try:
            for document in documents:
                writer.update_document(**_fields(document))
            for number in gone:
                writer.delete_by_term("id", str(number))
        except BaseException:
            writer.cancel()
            raise
        writer.commit()

    def rebuild(self, documents: Iterator[Document]) -> int:
        """Build a new index beside the old one and switch to it at once."""
        from whoosh.index import create_in

        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / uuid.uuid4().hex[:12]
        place.mkdir()
        writer = create_in(str(place), _schema()).writer(limitmb=256)
        size = 0
        for document in documents:
            writer.add_document(**_fields(document))
            size += 1
        writer.commit()
        self._switch(place.name)
        return size

    def versions(self) -> Mapping[int, int]:
        """Every id in the index with the version it has there."""
        index = self._open()
        if index is None:
            return {}
        with index.reader() as reader:
            return {int(f["id"]): int(f["version"]) for f in reader.all_stored_fields()}

    def _switch(self, name: str) -> None:
        temporary = self.folder / f".{POINTER}-{name}"
        with open(temporary, "w", encoding="ascii") as f:
            f.write(name)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, self.folder / POINTER)
        for old in self.folder.iterdir():
            if old.is_dir() and old.name != name:
                shutil.rmtree(old, ignore_errors=True)

    def _current(self) -> str | None:
        try:
            return (self.folder / POINTER).read_text(encoding="ascii").strip() or None
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def _open(self) -> Any:
        """Open the current index; None when it is missing or its files are damaged."""
        name = self._current()
        if name is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from whoosh.index import open_dir
        try:
            return open_dir(str(self.folder / name))
        # A damaged file breaks Whoosh in many ways; whatever it is, the worker builds the index anew.
        except Exception as e:
            log.warning("the search index in %s cannot be opened: %s", self.folder, e)
            return None

    def _searcher(self) -> Any:
        """The searcher of this thread, renewed when another process has committed."""
        name, local = self._current(), self._local
        if getattr(local, "name", None) != name or name is None:
            index = self._open()
            local.name, local.searcher = name, index.searcher() if index is not None else None
        elif local.searcher is not None:
            try:
                local.searcher = local.searcher.refresh()
            except Exception as e:
                log.warning("the search index in %s went away: %s", self.folder, e)
                local.name = local.searcher = None
        return local.searcher


def _schema() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from whoosh import fields
        from whoosh.analysis import SpaceSeparatedTokenizer

    def text(boost: float) -> Any:
        return fields.TEXT(analyzer=SpaceSeparatedTokenizer(), phrase=False, field_boost=boost)

    return fields.Schema(
        id=fields.ID(unique=True, stored=True),
        type=fields.ID,
        region=fields.NUMERIC(int),
        version=fields.STORED,
        title=text(3.0),
        extra=text(2.0),
        body=text(1.0),
    )


def _fields(d: Document) -> dict[str, Any]:
    words = analyzer().words
    return {
        "id": str(d.id),
        "type": d.type,
        "region": int(d.region or 0),
        "version": d.version,
        "title": " ".join(words(d.title)),
        "extra": " ".join(words(d.extra)),
        "body": " ".join(words(d.body)),
    }


def _rarest(searcher: Any, words: list[str]) -> tuple[list[str], list[str]]:
    """The words to ask with, and those left out of a long text (the most frequent and the unknown)."""
    if len(words) <= MOST_WORDS:
        return words, []

    def frequency(word: str) -> int:
        count = sum(searcher.doc_frequency(f, word) for f in ("title", "extra", "body"))
        return count or 1 << 30

    kept = set(sorted(words, key=frequency)[:MOST_WORDS])
    return [w for w in words if w in kept], [w for w in words if w not in kept]


def _word(word: str) -> Any:
    from whoosh.query import Or, Term

    return Or([Term(f, word) for f in ("title", "extra", "body")])


def _all(words: list[str]) -> Any:
    from whoosh.query import And

    return And([_word(w) for w in words])


def _any(words: list[str]) -> Any:
    from whoosh.query import Or

    return Or([_word(w) for w in words])


def _filter(query: Query) -> Any:
    from whoosh.query import And, NumericRange, Or, Term

    wanted = [Or([Term("type", t) for t in query.types])] if query.types else []
    if query.region:
        low, high = subtree(query.region)
        wanted.append(NumericRange("region", int(low), int(high)))
    return And(wanted) if wanted else None
