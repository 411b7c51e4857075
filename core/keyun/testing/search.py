"""What every search engine must do, as tests to inherit, and the smallest engine that does it.

Write ``class TestMyEngine(SearchBackendTests)`` with a fixture ``engine`` that returns a new one
without an index, and run pytest.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

import pytest

from keyun.regions.codes import COUNTRY, contains
from keyun.search import (
    MAX_RESULTS,
    Document,
    IndexBusy,
    IndexGone,
    NewIndex,
    Page,
    Query,
    Ranked,
    SearchBackend,
    analyzer,
    ask,
)

__all__ = ["MemoryBackend", "SearchBackendTests", "fill", "make_document"]

__all__ = ["MemoryBackend", "SearchBackendTests", "make_document"]

DAY = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
TITLE, EXTRA, BODY = 3.0, 2.0, 1.0
WORDS = ("柑橘", "水稻", "检测", "电池", "pcr", "黄龙病", "晚熟柑橘", "四川农业大学", "不锈钢", "x光")
CODES = ("100000", "510000", "511400", "511424", "510100", "500101", "")


def make_document(number: int, title: str = "", body: str = "", **more: Any) -> Document:
    """A document of the county 丹棱, published on day ``number``, unless told otherwise."""
    values: dict[str, Any] = {
        "type": "test.item", "extra": "", "region": "511424", "version": 1,
        "published": DAY + dt.timedelta(days=number),
    }  # fmt: skip
    return Document(id=number, title=title, body=body, **(values | more))


def fill(engine: SearchBackend, documents: Iterable[Document] = ()) -> None:
    """Build the index of ``engine`` anew from ``documents``."""
    with engine.building() as new:
        new.update(documents)
        with engine.writing():
            new.activate()


class MemoryBackend:
    """Keeps documents in a dictionary and reads all of them for each question; for tests only."""

    def __init__(self) -> None:
        self.documents: dict[int, Document] | None = None
        self._writing, self._building = threading.RLock(), threading.Lock()

    def search(self, query: Query) -> Page:
        """Answer ``query``: documents with all words, or else with any of them."""
        if self.documents is None:
            return Page(ready=False)
        words = ask(query.text).required
        weights = {d.id: _weights(d) for d in self.documents.values() if _meets(d, query)}
        some = {n: w for n, w in weights.items() if any(word in w for word in words)}
        whole = {n: w for n, w in some.items() if all(word in w for word in words)}
        found = whole or some
        scored = [(sum(w.get(word, 0.0) for word in words), n) for n, w in found.items()]
        ranked = sorted(scored, key=lambda s: (-s[0], -self._published(s[1]), -s[1]))[:MAX_RESULTS]
        hits = [Ranked(n, score) for score, n in ranked[query.offset : query.offset + query.limit]]
        return Page(hits, len(found), (), words, bool(found) and not whole)

    def _published(self, number: int) -> float:
        assert self.documents is not None
        return self.documents[number].published.timestamp()

    def usable(self) -> bool:
        """Whether there is an index."""
        return self.documents is not None

    def versions(self) -> Mapping[int, int]:
        """Every id with its version."""
        return {d.id: d.version for d in (self.documents or {}).values()}

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Hold the right to write."""
        return _held(self._writing)

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        """Add, replace and remove."""
        if self.documents is None:
            raise IndexGone("there is no index")
        return _change(self.documents, documents, gone)

    @contextlib.contextmanager
    def building(self) -> Iterator[NewIndex]:
        """Begin a new index."""
        with _held(self._building):
            yield _NewMemoryIndex(self)


class _NewMemoryIndex:
    def __init__(self, engine: MemoryBackend) -> None:
        self._engine = engine
        self._documents: dict[int, Document] = {}

    def update(self, documents: Iterable[Document], gone: Iterable[int] = ()) -> int:
        return _change(self._documents, documents, gone)

    def activate(self) -> None:
        self._engine.documents = self._documents


@contextlib.contextmanager
def _held(lock: Any) -> Iterator[None]:
    if not lock.acquire(blocking=False):
        raise IndexBusy("somebody else is at it")
    try:
        yield
    finally:
        lock.release()


def _change(have: dict[int, Document], documents: Iterable[Document], gone: Iterable[int]) -> int:
    for number in gone:
        have.pop(number, None)
    added = {d.id: d for d in documents}
    have.update(added)
    return len(added)


def _weights(d: Document) -> dict[str, float]:
    found: dict[str, float] = {}
    for text, weight in ((d.title, TITLE), (d.extra, EXTRA), (d.body, BODY)):
        for word, count in Counter(analyzer().words(text)).items():
            found[word] = found.get(word, 0.0) + weight * count
    return found


def _meets(d: Document, query: Query) -> bool:
    if query.types and d.type not in query.types:
        return False
    inside = bool(d.region) and query.region is not None and contains(query.region, d.region)
    return query.region in (None, COUNTRY) or inside


class SearchBackendTests:
    """Inherit this for an engine; it needs a fixture ``engine``, without an index."""

    def ids(self, engine: SearchBackend, text: str, **more: Any) -> list[int]:
        """The ids that ``engine`` finds for ``text``, the best first."""
        return [h.id for h in engine.search(Query(text, **more)).hits]

    def test_documents_with_all_words_are_found_by_title_extra_and_body(self, engine: SearchBackend) -> None:
        other = make_document(2, "柑橘栽培", extra="黄龙病")
        fill(engine, [make_document(1, "柑橘黄龙病检测"), other, make_document(3, "水稻", "黄龙病")])
        assert sorted(self.ids(engine, "柑橘 黄龙病")) == [1, 2]
        assert sorted(self.ids(engine, "黄龙病")) == [1, 2, 3]

    def test_when_no_document_has_all_words_those_with_some_are_found(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘栽培"), make_document(2, "动力电池")])
        page = engine.search(Query("柑橘 电池"))
        assert page.partial
        assert {h.id for h in page.hits} == {1, 2}
        assert not engine.search(Query("柑橘")).partial

    def test_a_word_in_the_title_counts_more_than_in_the_body(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "水稻", "猕猴桃"), make_document(2, "猕猴桃", "水稻")])
        assert self.ids(engine, "猕猴桃") == [2, 1]

    def test_a_compound_is_found_by_its_parts_in_any_order(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘的晚熟品种"), make_document(2, "晚熟柑橘")])
        assert sorted(self.ids(engine, "晚熟柑橘")) == [1, 2]

    def test_a_disease_is_not_found_by_half_of_its_name(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "黄龙风景区的钙华"), make_document(2, "柑橘黄龙病")])
        assert self.ids(engine, "黄龙病") == [2]

    def test_equal_documents_come_newest_first_on_every_page(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(n, "油菜机收") for n in range(1, 31)])
        pages = [self.ids(engine, "油菜", offset=n, limit=7) for n in range(0, 35, 7)]
        assert [i for page in pages for i in page] == list(range(30, 0, -1))
        assert engine.search(Query("油菜", limit=7)).total == 30

    @pytest.mark.parametrize(
        "text",
        [
            "title:*", '"', "AND", "OR NOT", "*", "[a TO z]", "(((", "柑橘~2", "a:b^3", "😀", "\x00",
            "\ud800", "的", "",
        ],
    )  # fmt: skip
    def test_no_text_is_a_query_language(self, engine: SearchBackend, text: str) -> None:
        fill(engine, [make_document(1, "柑橘", "正文")])
        page = engine.search(Query(text))
        assert page.ready
        assert [h.id for h in page.hits] == ([1] if "柑橘" in text else [])

    def test_a_question_of_ten_thousand_characters_is_answered(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘", "黄龙病")])
        assert self.ids(engine, "柑橘黄龙病" * 2000) == [1]

    @pytest.mark.parametrize("offset", [999, 1000, 10**18])
    def test_pages_end_where_results_end(self, engine: SearchBackend, offset: int) -> None:
        fill(engine, [make_document(1, "柑橘")])
        assert self.ids(engine, "柑橘", offset=offset) == []

    def test_a_type_that_is_not_asked_for_is_left_out(self, engine: SearchBackend) -> None:
        kinds = [make_document(2, "柑橘", type="a.b"), make_document(3, "柑橘", type="c.d")]
        fill(engine, [make_document(1, "柑橘"), *kinds])
        assert self.ids(engine, "柑橘", types=("a.b", "c.d")) == [3, 2]
        assert self.ids(engine, "柑橘", types=("nowhere.at_all",)) == []

    @pytest.mark.parametrize("seed", range(8))
    def test_answers_agree_with_reading_every_document(self, engine: SearchBackend, seed: int) -> None:
        rng = Random(seed)
        documents = [
            make_document(
                n,
                "，".join(rng.choices(WORDS, k=rng.randint(1, 4))),
                region=rng.choice(CODES),
                type=rng.choice(("a.b", "c.d")),
            )
            for n in range(1, 30)
        ]
        fill(engine, documents)
        for _ in range(10):
            region = rng.choice([None, *CODES[:-1]])
            asked = Query(" ".join(rng.choices(WORDS, k=rng.randint(1, 3))), ("a.b",), region, limit=100)
            page = engine.search(asked)
            within = [d for d in documents if _meets(d, asked)]
            have = {d.id: set(analyzer().words(d.title)) for d in within}
            required = set(ask(asked.text).required)
            whole = {n for n, words in have.items() if required <= words}
            assert {h.id for h in page.hits} == (whole or {n for n, w in have.items() if required & w})
            assert page.total == len(page.hits)
            assert [h.score for h in page.hits] == sorted((h.score for h in page.hits), reverse=True)

    def test_a_new_version_replaces_the_old_one_and_what_is_gone_is_gone(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘"), make_document(2, "柑橘")])
        with engine.writing():
            assert engine.update([make_document(1, "水稻", version=2)], [2, 77]) == 1
        assert (self.ids(engine, "柑橘"), self.ids(engine, "水稻")) == ([], [1])
        assert engine.versions() == {1: 2}

    def test_without_an_index_the_answer_is_empty_and_says_so(self, engine: SearchBackend) -> None:
        assert not engine.usable()
        assert not engine.search(Query("柑橘")).ready
        assert engine.versions() == {}
        with pytest.raises(IndexGone), engine.writing():
            engine.update([])

    def test_an_empty_index_is_ready(self, engine: SearchBackend) -> None:
        fill(engine)
        assert engine.usable()
        assert engine.search(Query("柑橘")).ready
        assert engine.versions() == {}

    def test_a_new_index_answers_only_when_it_is_activated(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘")])
        with engine.building() as new:
            new.update([make_document(2, "柑橘"), make_document(3, "柑橘")], [3])
            assert self.ids(engine, "柑橘") == [1]
        assert self.ids(engine, "柑橘") == [1]
        fill(engine, [make_document(2, "柑橘")])
        assert self.ids(engine, "柑橘") == [2]

    def test_a_build_that_fails_leaves_the_old_index(self, engine: SearchBackend) -> None:
        fill(engine, [make_document(1, "柑橘")])

        def broken() -> Iterator[Document]:
            yield make_document(2, "柑橘")
            raise ValueError("the database went away")

        with pytest.raises(ValueError, match="went away"), engine.building() as new:
            new.update(broken())
        assert self.ids(engine, "柑橘") == [1]

    def test_only_one_builds(self, engine: SearchBackend) -> None:
        with engine.building(), pytest.raises(IndexBusy), engine.building():
            pass
        fill(engine, [make_document(1, "柑橘")])
        assert self.ids(engine, "柑橘") == [1]
