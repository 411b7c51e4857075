"""Whoosh 2.7.4 behind the port: one field of weighted words, one writer at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from keyun.regions.codes import COUNTRY
from keyun.search.folder import FAILED, Folder
from keyun.search.port import MAX_RESULTS, Document, IndexGone, Page, Query, Ranked
from keyun.search.question import Question, ask
from keyun.search.schema import fields_of, prefix, schema, weighting

with warnings.catch_warnings():
    # Whoosh (2016) is a given; newer Pythons warn of its old escapes when they compile it.
    warnings.simplefilter("ignore")
    from whoosh import collectors, index, query

log = logging.getLogger(__name__)
#: More words than this are a text, not a question: it is cut to its rarest ones.
MOST_WORDS = 8
MEMORY_MB = 256
#: Documents that a build holds in memory; Whoosh becomes half as fast once it has to spill.
BATCH = 16_000


class WhooshBackend:
    """The indexes in ``path``. Every thread may search, beside writers in this process and in others."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self._local = threading.local()
        self._sound: object = None

    def search(self, query: Query) -> Page:
        """Answer ``query``: documents with all words, or else with any; a broken index answers nothing."""
        question = ask(query.text)
        for attempt in (1, 2):
            place = self.folder.current()
            try:
                searcher = self._searcher(place)
                if searcher is not None:
                    return _answer(searcher, question, query)
            # A damaged file breaks Whoosh in many ways, and a new index may just have replaced this one.
            except Exception as e:
                self._forget()
                if attempt == 2 and place == self.folder.current():
                    self._complain(place, e)
        return Page(ready=False)

    def usable(self) -> bool:
        """Whether the current index can be read; its files are looked at again when they have changed."""
        for _ in range(2):
            place = self.folder.current()
            sound = place is not None and self._reads(place)
            # A new index may just have replaced this one.
            if sound or place == self.folder.current():
                return sound
        return False

    def _reads(self, place: Path) -> bool:
        failed = place / FAILED
        try:
            state = (place, self.folder.state(place))
            if state == self._sound:
                return True
            with _reader(place) as reader:
                if failed.exists():
                    _read_through(reader)
        except Exception as e:
            if place == self.folder.current():
                log.warning("the search index in %s is damaged: %s: %s", place, type(e).__name__, e)
            return False
        if failed.exists():
            log.error("a search failed, but the index in %s reads well; see the error logged before", place)
            failed.unlink(missing_ok=True)
        else:
            self._sound = state
        return True

    def versions(self) -> Mapping[int, int]:
        """Every id in the index with the version it has there.

        :raises IndexGone: when the files are damaged.
        """
        while True:
            place = self.folder.current()
            if place is None or not place.is_dir():
                return {}
            try:
                return _versions(place)
            except Exception as e:
                if place == self.folder.current():
                    raise IndexGone(f"{place}: {type(e).__name__}: {e}") from e

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Hold the right to write."""
        return self.folder.writing()

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        """Add or replace ``documents`` and remove ``gone`` in one commit."""
        place = self.folder.current()
        if place is None or not place.is_dir():
            raise IndexGone(f"there is no index in {self.folder.path}")
        try:
            opened = index.open_dir(str(place))
            known = opened.reader()
        except Exception as e:
            raise IndexGone(f"{place}: {type(e).__name__}: {e}") from e
        return _write(opened, known, documents, gone)

    @contextlib.contextmanager
    def building(self) -> Iterator[NewWhooshIndex]:
        """Begin a new index beside the current one."""
        with self.folder.building():
            place = self.folder.begin()
            try:
                index.create_in(str(place), schema())
                yield NewWhooshIndex(self.folder, place)
            finally:
                if self.folder.current() != place:
                    shutil.rmtree(place, ignore_errors=True)

    def _searcher(self, place: Path | None) -> Any:
        """The searcher of this thread, renewed when another process has written; None without an index."""
        local = self._local
        if getattr(local, "place", None) != place:
            self._forget()
        if place is None:
            return None
        if local.searcher is None:
            if not place.is_dir() or (place / FAILED).exists():
                return None
            local.searcher = _patiently(place, lambda opened: opened.searcher(weighting=weighting()))
            local.place = place
        else:
            local.searcher = local.searcher.refresh()
        return local.searcher

    def _forget(self) -> None:
        searcher = getattr(self._local, "searcher", None)
        self._local.place = self._local.searcher = None
        if searcher is not None:
            with contextlib.suppress(Exception):
                searcher.close()

    def _complain(self, place: Path | None, error: Exception) -> None:
        """Leave a mark for the worker; a web process does not repair."""
        log.exception("searching the index in %s failed; a worker will look into it", place, exc_info=error)
        if place is not None:
            with contextlib.suppress(OSError):
                (place / FAILED).touch()


class NewWhooshIndex:
    """An index under construction."""

    def __init__(self, folder: Folder, place: Path) -> None:
        self._folder, self.place = folder, place

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        """Add or replace ``documents`` and remove ``gone``; nobody sees it before it is active."""
        added, more = 0, iter(documents)
        while part := list(islice(more, BATCH)):
            added += self._write(part, ())
        if gone := list(gone):
            self._write((), gone)
        return added

    def _write(self, documents: Iterable[Document], gone: Iterable[int]) -> int:
        opened = index.open_dir(str(self.place))
        return _write(opened, opened.reader(), documents, gone, merge=False)

    def activate(self) -> None:
        """Let it answer from now on."""
        self._folder.switch(self.place)


def _patiently(place: Path, read: Callable[[Any], Any]) -> Any:
    """Open the index in ``place`` and read; again while a writer replaces files under our hands."""
    while True:
        files = set(os.listdir(place))
        try:
            return read(index.open_dir(str(place)))
        except Exception:
            if set(os.listdir(place)) == files:
                raise


def _reader(place: Path) -> Any:
    return _patiently(place, lambda opened: opened.reader())


def _versions(place: Path) -> dict[int, int]:
    with _reader(place) as reader:
        # Whoosh has no columns to read in an empty index.
        if not reader.doc_count():
            return {}
        ids, versions = reader.column_reader("number"), reader.column_reader("version")
        return {ids[n]: versions[n] for n in reader.all_doc_ids()}


def _read_through(reader: Any) -> None:
    """Read every posting once; damaged files raise."""
    for field, term in reader.all_terms():
        matcher = reader.postings(field, term)
        while matcher.is_active():
            matcher.weight()
            reader.doc_field_length(matcher.id(), field)
            matcher.next()
    if reader.doc_count():
        for name in ("number", "version", "published"):
            column = reader.column_reader(name)
            for n in reader.all_doc_ids():
                column[n]


def _write(
    opened: Any, known: Any, documents: Iterable[Document], gone: Iterable[int], *, merge: bool = True
) -> int:
    """Write in one commit; ``known`` reads what is there before."""
    added = 0
    with known:
        writer = opened.writer(limitmb=MEMORY_MB)
        try:
            for number in gone:
                _delete(writer, known, number)
            for document in documents:
                _delete(writer, known, document.id)
                writer.add_document(**fields_of(document))
                added += 1
        except BaseException:
            writer.cancel()
            raise
    writer.commit(merge=merge)
    return added


def _delete(writer: Any, known: Any, number: int) -> None:
    term = ("key", str(number).encode())
    if term in known:
        for docnum in known.postings(*term).all_ids():
            writer.delete_document(docnum)


def _answer(searcher: Any, question: Question, asked: Query) -> Page:
    """The page, from documents with all words, or else with any of them."""
    kept, dropped = _rarest(searcher, question.required)
    better = [w for w in question.better if _frequency(searcher, w)][:MOST_WORDS]
    some = [w for w in kept if _frequency(searcher, w)]
    if not some or asked.offset >= MAX_RESULTS:
        return Page((), 0, dropped, kept)
    for partial in (False, True) if len(some) == len(kept) else (True,):
        combined = query.Or if partial else query.And
        wanted: Any = combined([query.Term("words", w) for w in some])
        if better:
            wanted = query.AndMaybe(wanted, query.Or([query.Term("words", w) for w in better]))
        # Not query.Require: in 2.7.4 it keeps what does not meet the condition.
        if limits := _limits(searcher, asked):
            wanted = query.And([wanted, *limits])
        # Both optimizations of 2.7.4 lose documents when words stand beside conditions: none is used.
        collector = collectors.TopCollector(MAX_RESULTS, usequality=False, replace=0)
        searcher.search_with_collector(wanted.normalize(), collector)
        if total := collector.count():
            ranked = collector.results().top_n
            hits = _slice(searcher, ranked, asked.offset, min(asked.offset + asked.limit, len(ranked)))
            return Page(hits, total, dropped, [*kept, *better], partial)
    return Page((), 0, dropped, kept)


def _frequency(searcher: Any, word: str) -> int:
    return int(searcher.doc_frequency("words", word))


def _rarest(searcher: Any, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words to look up, and those left out of a long text: the most frequent and the unknown."""
    if len(words) <= MOST_WORDS:
        return list(words), []
    known = [(count, n) for n, w in enumerate(words) if (count := _frequency(searcher, w))]
    kept = {n for _, n in sorted(known)[:MOST_WORDS]}
    return [w for n, w in enumerate(words) if n in kept], [w for n, w in enumerate(words) if n not in kept]


def _limits(searcher: Any, asked: Query) -> list[Any]:
    """The conditions; a list of types that leaves none of the index out is no condition."""
    limits: list[Any] = []
    present = {term.decode() for term in searcher.lexicon("type")}
    if asked.types and not present <= set(asked.types):
        limits.append(query.Or([query.Term("type", t) for t in asked.types]))
    if asked.region and asked.region != COUNTRY:
        limits.append(query.Term("region", prefix(asked.region)))
    return limits


def _slice(searcher: Any, ranked: Sequence[tuple[float, int]], first: int, last: int) -> list[Ranked]:
    """Results ``first`` to ``last``; equal scores are in order of publication, the newest first."""
    if first >= last:
        return []
    start, end = first, last
    while start and ranked[start - 1][0] == ranked[first][0]:
        start -= 1
    while end < len(ranked) and ranked[end][0] == ranked[last - 1][0]:
        end += 1
    reader = searcher.reader()
    numbers, published = reader.column_reader("number"), reader.column_reader("published")
    rows = sorted((-score, -published[n], -numbers[n]) for score, n in ranked[start:end])
    return [Ranked(-number, -score) for score, _, number in rows[first - start : last - start]]
