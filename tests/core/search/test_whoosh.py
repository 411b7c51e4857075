"""The engine finds what was put in, and nothing that was taken out."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.regions.codes import contains
from keyun.search import Document, IndexBusy, IndexGone, Query, analyzer
from keyun.search.folder import Folder
from keyun.search.question import ask
from keyun.search.whoosh import WhooshBackend

MakeDocument = Callable[..., Document]
MakeEngine = Callable[..., WhooshBackend]
MakeIndex = Callable[[WhooshBackend, Iterable[Document]], None]
DAMAGES = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def ids(engine: WhooshBackend, text: str, **more: Any) -> list[int]:
    return [h.id for h in engine.search(Query(text, **more)).hits]


def test_a_compound_is_found_by_its_parts_in_any_order(engine: MakeEngine, document: MakeDocument) -> None:
    made = engine(document(1, "柑橘的晚熟品种"), document(2, "晚熟柑橘"))
    assert sorted(ids(made, "晚熟柑橘")) == [1, 2]
    assert ids(made, "晚熟柑橘")[0] == 2


def test_a_long_text_asks_with_its_rarest_words_and_names_the_others(
    engine: MakeEngine, document: MakeDocument
) -> None:
    rare = "检测 溃疡病 木虱 苦荞 青稞 牦牛 钒钛 多晶硅"
    made = engine(document(1, "柑橘", rare), *(document(n, "柑橘 水稻 小麦") for n in range(2, 9)))
    page = made.search(Query(f"水稻 小麦 {rare} 闻所未闻"))
    assert [h.id for h in page.hits] == [1]
    assert list(page.words) == rare.split()
    assert {"水稻", "小麦"} <= set(page.dropped)


WORDS = ("柑橘", "水稻", "检测", "电池", "pcr", "黄龙病", "晚熟柑橘", "四川农业大学", "不锈钢", "x光")
CODES = ("100000", "510000", "511400", "511424", "510100", "510104", "500000", "500101", "")
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("，".join)
STEP = st.tuples(st.integers(1, 6), st.none() | st.tuples(TEXT, TEXT, st.sampled_from(CODES)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(STEP, max_size=4), max_size=4), st.sampled_from([c for c in CODES if c]))
def test_what_was_added_and_not_removed_is_found_by_its_title(
    document: MakeDocument,
    make_index: MakeIndex,
    steps: list[list[tuple[int, tuple[str, str, str] | None]]],
    region: str,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        engine = WhooshBackend(Path(place))
        truth: dict[int, Document] = {}
        make_index(engine, [])
        for batch in steps:
            last = dict(batch)
            added = [document(n, v[0], v[1], region=v[2]) for n, v in last.items() if v]
            gone = [n for n, v in last.items() if v is None]
            with engine.writing():
                engine.update(added, gone)
            truth = {k: v for k, v in truth.items() if k not in gone} | {d.id: d for d in added}
        assert engine.versions().keys() == truth.keys()
        for d in truth.values():
            page = engine.search(Query(d.title))
            found = {h.id for h in page.hits}
            assert d.id in found
            assert not page.partial
            near = {h.id for h in engine.search(Query(d.title, region=region)).hits}
            below = {i for i in found if truth[i].region and contains(region, truth[i].region)}
            if region == "100000":
                assert near == found
            elif below:
                assert near == below


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12), TEXT)
def test_ranking_and_number_agree_with_reading_every_document(
    document: MakeDocument, make_index: MakeIndex, titles: list[str], asked: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        engine = WhooshBackend(Path(place))
        make_index(engine, [document(n, t, type="a.b" if n % 2 else "c.d") for n, t in enumerate(titles, 1)])
        page = engine.search(Query(asked, types=("a.b",), limit=50))
        have = {n: set(analyzer().words(t)) for n, t in enumerate(titles, 1) if n % 2}
        required = set(ask(asked).required)
        whole = {n for n, words in have.items() if required <= words}
        some = {n for n, words in have.items() if required & words}
        assert {h.id for h in page.hits} == (whole or some)
        assert page.partial == (not whole and bool(some))
        assert page.total == len(page.hits)
        assert [h.score for h in page.hits] == sorted((h.score for h in page.hits), reverse=True)


def test_the_first_page_holds_the_best_of_very_many(
    engine: MakeEngine, document: MakeDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = Random(1)
    some = ["柑橘", "水稻", "检测", "电池", "黄龙病", "猕猴桃"]

    def body(number: int) -> str:
        return "，".join(rng.choice(some) for _ in range(1 + number % 40))

    made = engine(*(document(n, "", body(n), type="a.b" if n % 3 else "c.d") for n in range(1, 2000)))
    for text in ("柑橘", "柑橘 水稻", "柑橘 闻所未闻 电池", "猕猴桃 黄龙病 检测 苦荞"):
        for types in ((), ("a.b",)):
            everything = made.search(Query(text, types, limit=1000))
            with monkeypatch.context() as patch:
                patch.setattr("keyun.search.whoosh.MAX_RESULTS", 20)
                page = made.search(Query(text, types))
            best = [(h.id, h.score) for h in everything.hits]
            assert [h.score for h in page.hits] == [score for _, score in best[:20]]
            assert page.total == everything.total


def test_a_search_sees_what_another_process_has_written(engine: MakeEngine, document: MakeDocument) -> None:
    reader = engine(document(1, "柑橘"))
    assert ids(reader, "水稻") == []
    writer = WhooshBackend(reader.folder.path)
    with writer.writing():
        writer.update([document(2, "水稻")])
    assert ids(reader, "水稻") == [2]
    with writer.building() as new, writer.writing():
        new.update([document(3, "水稻")])
        new.activate()
    assert ids(reader, "水稻") == [3]


def test_threads_search_while_indexes_are_written_and_replaced(
    engine: MakeEngine, document: MakeDocument
) -> None:
    made = engine(document(1, "柑橘"))
    stop, seen, wrong = threading.Event(), threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            page = made.search(Query("柑橘"))
            if not page.ready or 1 not in [h.id for h in page.hits]:
                wrong.append(page)
            seen.set()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(6):
        with made.writing():
            made.update([document(1, "柑橘", version=n), document(n + 2, "柑橘")])
        with made.building() as new, made.writing():
            new.update([document(1, "柑橘")])
            new.activate()
    stop.set()
    for thread in threads:
        thread.join()
    assert seen.is_set()
    assert wrong == []


@pytest.mark.filterwarnings(*DAMAGES)
@pytest.mark.usefixtures("damages")
@pytest.mark.parametrize("size", [0, 10, 2000])
def test_damaged_files_never_raise_and_are_noticed(
    engine: MakeEngine, document: MakeDocument, size: int
) -> None:
    made = engine(document(1, "柑橘", "黄龙病 " * 200))
    assert made.usable()
    for path in made.folder.path.rglob("*"):
        if path.suffix in (".seg", ".toc"):
            path.write_bytes(os.urandom(size))
    fresh = WhooshBackend(made.folder.path)
    assert not fresh.search(Query("柑橘")).hits
    assert not made.usable()
    assert not fresh.usable()
    with pytest.raises(IndexGone), fresh.writing():
        fresh.update([document(2, "水稻")])


@pytest.mark.filterwarnings(*DAMAGES)
@pytest.mark.usefixtures("damages")
def test_damage_inside_the_postings_is_noticed_after_the_search_that_met_it(
    engine: MakeEngine, document: MakeDocument
) -> None:
    made = engine(*(document(n, "柑橘", f"黄龙病 检测{n}") for n in range(1, 300)))
    (segment,) = made.folder.path.rglob("*.seg")
    data = bytearray(segment.read_bytes())
    # Behind the header, before the directory at the end: the lists of documents.
    middle = data.index(b"W3Pn") if b"W3Pn" in data else len(data) // 4
    data[middle : middle + 400] = b"\xff" * 400
    segment.write_bytes(data)
    fresh = WhooshBackend(made.folder.path)
    pages = [fresh.search(Query(w)) for w in ("柑橘", "黄龙病", "检测")]
    if not all(p.ready for p in pages):
        assert not fresh.usable()


def test_a_damaged_pointer_is_no_index(engine: MakeEngine, document: MakeDocument) -> None:
    made = engine(document(1, "柑橘"))
    for content in (b"../../etc", b"\xff\xfe", b"", b"0123456789ab"):
        (made.folder.path / "current").write_bytes(content)
        assert not made.usable()
        assert not made.search(Query("柑橘")).ready


def test_a_failed_build_leaves_the_old_index_and_no_files(engine: MakeEngine, document: MakeDocument) -> None:
    made = engine(document(1, "柑橘"))

    def broken() -> Any:
        yield document(2, "水稻")
        raise ValueError("the database went away")

    with pytest.raises(ValueError), made.building() as new:
        new.update(broken())
    assert ids(made, "柑橘") == [1]
    assert len([p for p in made.folder.path.iterdir() if p.is_dir()]) == 1


def test_only_one_writes_and_only_one_builds(tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "search"), Folder(tmp_path / "search", patience=0.0)
    with first.writing(), pytest.raises(IndexBusy), second.writing():
        pass
    with first.building(), pytest.raises(IndexBusy), second.building():
        pass
    with second.writing(), second.building():
        pass


def _hold(path: str, ready: Any) -> None:
    engine = WhooshBackend(Path(path))
    with engine.writing(), engine.building():
        ready.set()
        signal.pause()


def test_the_locks_of_a_killed_process_are_free(engine: MakeEngine, document: MakeDocument) -> None:
    made = engine(document(1, "柑橘"))
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(str(made.folder.path), ready))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with made.writing():
        made.update([document(2, "水稻")])
    with made.building() as new, made.writing():
        new.update([document(3, "水稻")])
        new.activate()
    assert ids(made, "水稻") == [3]
    assert len([p for p in made.folder.path.iterdir() if p.is_dir()]) == 1


def test_an_index_keeps_what_was_put_in(engine: MakeEngine, document: MakeDocument) -> None:
    made = engine(document(1, "柑橘"))
    for n in range(2, 14):
        with made.writing():
            made.update([document(n, "柑橘"), dataclasses.replace(document(1, "柑橘"), version=n)])
    assert made.versions() == {1: 13, **{n: 1 for n in range(2, 14)}}
    assert made.usable()
