"""The match index of one instance: built from SQL by the worker, kept up to date in every process.

Two sides: ``offers`` (offers and people, asked with a need) and ``needs`` (asked with an offer). Each
process maps the files the worker wrote and adds a private delta by following the event log, so a
published offer is found at the next question, in every process, without a rebuild.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyun.errors import KeyunError
from keyun.events import Committed, Cursor, Event, Lag, head, lag_behind, peek
from keyun.search import analyzer
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_marketplace import records
from keyun_marketplace.matching import store
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.kernels import Kernel, available, choose
from keyun_marketplace.matching.memory import Memory, Recalling
from keyun_marketplace.matching.records import Record, Weights
from keyun_marketplace.matching.segment import Segment, build, in_order
from keyun_marketplace.models import NEED, OFFER, PERSON

log = logging.getLogger(__name__)
Progress = Callable[[str], None]
#: Above so many unread events a process leaves the work to the worker and says that it is behind.
MOST_UNREAD = 3000
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two indexes: the records it holds and how they are read."""

    name: str
    types: frozenset[str]
    stream: Callable[[UnitOfWork], Iterator[Record]]
    load: Callable[[UnitOfWork, Mapping[str, Sequence[int]]], tuple[list[Record], list[int]]]


def sides() -> dict[str, Side]:
    """Both indexes by name."""
    return {
        "offers": Side("offers", frozenset({OFFER, PERSON}), records.stream_offers, records.load_offers),
        "needs": Side("needs", frozenset({NEED}), records.stream_needs, records.load_needs),
    }


class Kernels:
    """The kernel of this process: numpy at once, the compiled one as soon as it is ready."""

    def __init__(self, cache: Path) -> None:
        self.current: Kernel = choose("numpy")
        if available()[0] == "numba":
            threading.Thread(target=self._compile, args=(cache,), name="match-kernel", daemon=True).start()

    def _compile(self, cache: Path) -> None:
        kernel = choose("numba", cache)
        warm(kernel)
        self.current = kernel


def warm(kernel: Kernel) -> None:
    """Compile, or load compiled code, by asking a tiny index once."""
    from keyun_marketplace.matching.records import Query

    words = analyzer()
    matcher = Matcher.of([Record(1, "offer", "柑橘", discipline="园艺")], words, kernel)
    matcher.match(Query(body="柑橘"), {"offer": 1})


class Live:
    """One side in one process."""

    def __init__(self, site: Site, side: Side, kernels: Kernels, weights: Weights) -> None:
        self.side, self.weights, self.kernels = side, weights, kernels
        self.folder = folder(site, side.name)
        self._lock = threading.Lock()
        self._name: str | None = None
        self._matcher: Matcher | None = None
        self._memory = Memory()
        self._cursor = Cursor()
        self.behind = 0

    def matcher(self, unit: UnitOfWork) -> Matcher:
        """The matcher, brought up to date with everything that ``unit`` can see."""
        with self._lock:
            matcher = self._open()
            self._catch_up(unit, matcher)
            matcher.kernel = self.kernels.current
            return matcher

    def asks(self, unit: UnitOfWork) -> Recalling:
        """The same, to be asked with queries that pages repeat."""
        return Recalling(self.matcher(unit), self._memory)

    def _open(self) -> Matcher:
        name = store.current(self.folder)
        if self._matcher is not None and (name == self._name or name is None):
            return self._matcher
        try:
            segment, self._cursor = _read(self.folder, self.weights)
        except KeyunError as e:
            # Derived files: answer from the log as far as that goes; the worker builds them anew.
            log.warning("%s", e)
            segment, self._cursor = build((), analyzer(), self.weights), Cursor()
        self._name = name
        self._memory.forget()
        self._matcher = Matcher(segment, analyzer(), self.kernels.current, self.weights)
        return self._matcher

    def _catch_up(self, unit: UnitOfWork, matcher: Matcher) -> None:
        events: list[Committed] = []
        cursor = self._cursor
        while len(events) <= MOST_UNREAD:
            part, after = peek(unit.session, cursor, CHUNK)
            events += [e for e in part if e.subject_type in self.side.types]
            if len(part) < CHUNK or after == cursor:
                cursor = after
                break
            cursor = after
        self.behind = len(events) if len(events) > MOST_UNREAD else 0
        if self.behind:
            return
        ids: dict[str, list[int]] = {}
        for e in events:
            ids.setdefault(e.subject_type, []).append(e.subject_id)
        if ids:
            matcher.apply(*self.side.load(unit, {t: sorted(set(i)) for t, i in ids.items()}))
            self._memory.forget()
        self._cursor = cursor


def folder(site: Site, name: str) -> Path:
    """Where the files of one side lie."""
    return site.runtime.instance / "matching" / name


def live(site: Site, name: str) -> Live:
    """The side ``name`` of this process."""
    kernels = site.runtime.derived(
        "marketplace.kernels", lambda: Kernels(site.runtime.instance / "matching" / "compiled")
    )
    bonus = float(site.plugins.settings("marketplace")["field_bonus"])
    return site.runtime.derived(
        f"marketplace.{name}", lambda: Live(site, sides()[name], kernels, Weights(field=bonus))
    )


def rebuild(site: Site, name: str, progress: Progress = lambda text: None) -> int:
    """Build one side from SQL beside the old one and switch over; returns the number of records."""
    side = sides()[name]
    with site.reading() as unit:
        start = head(unit.session)
        source = in_order(_counted(side.stream(unit), progress, name))
        segment = build(source, analyzer(), Weights())
    note = {"cursor": [start.transaction, start.event_id]}
    store.write(folder(site, name), segment, note)
    return segment.size


def lag(site: Site, unit: UnitOfWork, name: str) -> Lag:
    """How far the files of one side are behind; questions see the unread events all the same."""
    cursor = _read(folder(site, name), Weights())[1]
    return lag_behind(unit.session, cursor, Event.subject_type.in_(sides()[name].types))


def _read(place: Path, weights: Weights) -> tuple[Segment, Cursor]:
    """The stored segment, or an empty one at the beginning of the log when there is none yet."""
    if store.current(place) is None:
        return build((), analyzer(), weights), Cursor()
    try:
        found = store.read(place)
        return found.segment, Cursor(*found.note["cursor"])
    except store.IndexMissing as e:
        raise KeyunError(f"匹配索引需要重建。 ({e})") from e


def _counted(source: Iterator[Record], progress: Progress, name: str) -> Iterator[Record]:
    for number, record in enumerate(source, 1):
        if number % 20_000 == 0:
            progress(f"{name}: {number} records read")
        yield record
