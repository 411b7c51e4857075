"""The port between Keyun and a search engine: values in, values out; engines are replaceable."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from keyun.errors import KeyunError

if TYPE_CHECKING:
    from keyun.content.models import Content

#: Characters of a question that are read; what follows is ignored.
MAX_QUERY = 2000
#: How many results can be paged through; the order of the rest is not worked out.
MAX_RESULTS = 1000


@dataclass(frozen=True, slots=True)
class SearchSource:
    """Which content type the site search covers; ``extra`` adds words beyond title, summary and body."""

    type: str
    extra: Callable[[Content], str] = lambda item: ""


@dataclass(frozen=True, slots=True)
class Document:
    """One item as the index keeps it. ``version`` tells whether the index is behind."""

    id: int
    type: str
    title: str
    body: str
    extra: str
    region: str
    published: dt.datetime
    version: int


@dataclass(frozen=True, slots=True)
class Query:
    """What a person asks: words, and filters by types and region (a code; its subtree matches).

    ``text`` is never a query language: it is segmented into words, and the words are looked up.
    """

    text: str
    types: tuple[str, ...] = ()
    region: str | None = None
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Ranked:
    """What an engine answers: the content id and its score."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page of ranked ids.

    ``total`` counts all documents that match, beyond :data:`MAX_RESULTS` too. ``words`` were looked up,
    ``dropped`` were left out of a long text, ``partial`` says that no document has all the words, and
    ``ready`` is False while there is no index to ask.
    """

    hits: Sequence[Ranked] = ()
    total: int = 0
    dropped: Sequence[str] = ()
    words: Sequence[str] = ()
    partial: bool = False
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """One result as people read it: title and best piece of the text, as (text, is_match) runs."""

    score: float
    title: Sequence[tuple[str, bool]]
    snippet: Sequence[tuple[str, bool]]


class IndexGone(Exception):
    """The index is missing or damaged; it is derived, so the worker builds it anew."""


class IndexBusy(KeyunError):
    """Another process writes or builds the index."""

    status = 503


class NewIndex(Protocol):
    """An index under construction, beside the one that answers."""

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        """Add or replace ``documents`` and remove the ids ``gone``; returns how many were added."""

    def activate(self) -> None:
        """Make it the one that answers, in one step for every process."""


class SearchBackend(Protocol):
    """A search engine. Anybody may ask and count; only workers and commands write."""

    def search(self, query: Query) -> Page:
        """Answer ``query``; never raises for what people type or for a missing or damaged index."""

    def usable(self) -> bool:
        """Whether there is an index that can be read; asked often, so it is cheap."""

    def versions(self) -> Mapping[int, int]:
        """Every id in the index with its version; empty without an index."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the right to write. The cursor of the index moves only below it.

        :raises IndexBusy: when another process does not give it back soon.
        """

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        """Add or replace ``documents`` and remove the ids ``gone`` in one commit; returns the number added.

        Call it inside :meth:`writing`.

        :raises IndexGone: when there is no usable index to write to.
        """

    def building(self) -> AbstractContextManager[NewIndex]:
        """Begin a new index; it is thrown away unless it was activated, inside :meth:`writing`.

        :raises IndexBusy: when another process is building one.
        """
