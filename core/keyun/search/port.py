"""The port between Keyun and a search engine: values in, values out; engines are replaceable."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from keyun.content.models import Content


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
    """What a person asks: words, and filters by types and region (a code; its subtree matches)."""

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
    """A page of ranked ids. ``dropped`` names words of a long query that were left out."""

    hits: Sequence[Ranked]
    total: int
    dropped: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Hit:
    """One result as people read it: title and best piece of the text, as (text, is_match) runs."""

    score: float
    title: Sequence[tuple[str, bool]]
    snippet: Sequence[tuple[str, bool]]


class IndexGone(Exception):
    """The index is missing or damaged; it is derived, so the worker builds it anew."""


class SearchBackend(Protocol):
    """A search engine. Only the worker calls the writing half."""

    def search(self, query: Query) -> Page:
        """Answer ``query``; an engine without an index answers an empty page."""

    def update(self, documents: Iterable[Document], gone: Iterable[int]) -> None:
        """Add or replace ``documents`` and remove the ids ``gone``, in one commit.

        :raises IndexGone: when there is no usable index to write to.
        """

    def rebuild(self, documents: Iterator[Document]) -> int:
        """Build a new index beside the old one and switch to it at once; returns its size."""

    def versions(self) -> Mapping[int, int]:
        """Every id in the index with its version, for verification."""
