"""The matcher: the same ranking with every kernel, exact reasons, and a delta that is seen at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.search.analysis import analyzer
from keyun_marketplace.matching import engine, store
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.factors import Factors
from keyun_marketplace.matching.kernels import available, choose
from keyun_marketplace.matching.records import MAX_TEXT, Candidate, Query, Record, Weights
from keyun_marketplace.matching.segment import Array, Segment

WORDS = (
    "柑橘",
    "黄龙病",
    "木虱",
    "检测",
    "钒钛",
    "合金",
    "水质",
    "在线监测",
    "PM2.5",
    "5G",
    "焊接",
    "机器人",
    "Q235",
)
REGIONS = (None, "511402", "511424", "510104", "500101", "510000")
FIELDS = (None, "植物保护", "冶金与钒钛", "环境科学与工程")

texts = st.lists(st.sampled_from(WORDS), min_size=0, max_size=8).map("，".join)
records = st.builds(
    Record,
    key=st.integers(-50, 50),
    kind=st.sampled_from(["offer", "person"]),
    title=texts,
    keywords=st.lists(st.sampled_from(WORDS), max_size=3).map(tuple),
    body=texts,
    discipline=st.sampled_from(FIELDS),
    region=st.sampled_from(REGIONS),
    verified=st.booleans(),
    day=st.integers(19000, 20000),
    owner=st.integers(0, 3),
    organization=st.integers(0, 2),
)
corpora = st.lists(records, max_size=25, unique_by=lambda r: r.key)
queries = st.builds(
    Query,
    title=texts,
    body=texts,
    keywords=st.lists(st.sampled_from(WORDS), max_size=2).map(tuple),
    discipline=st.sampled_from(FIELDS),
    region=st.sampled_from(REGIONS),
    owner=st.integers(0, 3),
    organization=st.integers(0, 2),
    day=st.just(20000),
    blocked=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    within=st.sampled_from((None, "51", "5114", "511402")),
)
changes = st.lists(st.lists(records, max_size=4) | st.integers(-50, 50), max_size=12)
numba_is_here = pytest.mark.skipif(available()[0] != "numba", reason="numba is not installed")
OFFERS = [
    Record(
        1,
        "offer",
        "柑橘黄龙病检测",
        ("黄龙病", "PCR"),
        "采集叶片做 PCR 检测，三天出报告",
        "植物保护",
        "511402",
        owner=5,
    ),
    Record(2, "offer", "柑橘木虱统防统治", ("木虱",), "无人机喷药，统一防治柑橘木虱", "植物保护", "510104"),
    Record(3, "offer", "钒钛合金熔炼", ("钒钛",), "真空感应熔炼", "冶金与钒钛", "510402"),
    Record(-4, "person", "", ("柑橘", "植保"), "高级农艺师\n果园诊断", "植物保护", "511424"),
]


class Counting:
    """The plain kernel; counts the segments that were scored."""

    def __init__(self) -> None:
        self.plain, self.segments = choose("numpy"), 0

    def accumulate(self, segment: Segment, terms: Array, weights: Array, scores: Array) -> None:
        self.segments += 1
        self.plain.accumulate(segment, terms, weights, scores)

    def select(
        self, segment: Segment, scores: Array, dead: Array, factors: Factors, k: int
    ) -> tuple[Array, Array]:
        return self.plain.select(segment, scores, dead, factors, k)

    def contributions(self, segment: Segment, terms: Array, weights: Array, documents: Array) -> Array:
        return self.plain.contributions(segment, terms, weights, documents)


class Breaking(Counting):
    """Scores, and then cannot select."""

    def select(
        self, segment: Segment, scores: Array, dead: Array, factors: Factors, k: int
    ) -> tuple[Array, Array]:
        raise MemoryError


def matcher(found: Sequence[Record], kernel: str = "numpy") -> Matcher:
    return Matcher.of(found, analyzer(), choose(kernel))


def best(m: Matcher, query: Query, kind: str = "offer", top: int = 10) -> Sequence[Candidate]:
    return m.match(query, {kind: top}).candidates[kind]


def ranking(m: Matcher, query: Query) -> list[tuple[str, int, float]]:
    answer = m.match(query, {"offer": 7, "person": 3})
    return [(c.kind, c.key, c.score) for found in answer.candidates.values() for c in found]


@numba_is_here
@settings(max_examples=60, deadline=None)
@given(corpora, corpora, queries, st.booleans())
def test_compiled_and_plain_kernels_rank_the_same(
    main: list[Record], more: list[Record], query: Query, leave_common_out: bool
) -> None:
    both = [matcher(main, name) for name in ("numba", "numpy")]
    for m in both:
        m.apply(more, gone=[r.key for r in main[:2]])
    with pytest.MonkeyPatch.context() as patch:
        if leave_common_out:
            patch.setattr(engine, "SIZEABLE", 1)
            patch.setattr(engine, "TELLING", 1)
        assert ranking(both[0], query) == ranking(both[1], query)


@numba_is_here
def test_compiled_and_plain_kernels_rank_many_records_the_same() -> None:
    words = [f"{a}{b}" for a in WORDS[:8] for b in WORDS[:8]]
    many = [
        replace(
            OFFERS[n % 3], key=n, title=words[n * 7 % 64], body="，".join(words[n * 13 % 64 :][:3]),
            verified=n % 5 == 0, day=19_800 + n % 200, region=REGIONS[n % 6],
        )
        for n in range(2000)
    ]  # fmt: skip
    both = [matcher(many, name) for name in ("numba", "numpy")]
    for n, region in enumerate(REGIONS):
        asked = Query(body=f"{words[n * 5]}，{words[n * 9 + 1]}", region=region, day=20_000)
        assert ranking(both[0], asked) == ranking(both[1], asked)


@numba_is_here
def test_warming_with_a_small_index_compiles_what_a_mapped_one_needs(tmp_path: Path) -> None:
    from keyun_marketplace.matching import kernel_numba

    kernel = choose("numba")
    matcher(OFFERS, "numba").match(Query(body="黄龙病"), {"offer": 1})
    functions = (kernel_numba._accumulate, kernel_numba._select, kernel_numba._contributions)
    before = [list(f.signatures) for f in functions]
    store.write(tmp_path, matcher(OFFERS).main, {})
    assert best(Matcher.open(tmp_path, analyzer(), kernel), Query(body="黄龙病"))
    assert [list(f.signatures) for f in functions] == before


@settings(max_examples=60, deadline=None)
@given(corpora, queries)
def test_the_parts_add_up_to_the_score_and_quote_the_query(found: list[Record], query: Query) -> None:
    answer = matcher(found).match(query, {"offer": 10, "person": 10})
    for candidates in answer.candidates.values():
        assert [c.score for c in candidates] == sorted((c.score for c in candidates), reverse=True)
        for c in candidates:
            assert sum(p.value for p in c.parts) == pytest.approx(c.score, rel=1e-4, abs=1e-3)
            assert all(p.text in query.text for p in c.parts if p.name == "terms")
            assert all(p.why("zh") and p.why("en") for p in c.parts)


@settings(max_examples=40, deadline=None)
@given(corpora, corpora, queries)
def test_a_delta_finds_the_same_records_as_a_rebuild(
    main: list[Record], more: list[Record], query: Query
) -> None:
    merged = {r.key: r for r in main} | {r.key: r for r in more}
    live = matcher(main)
    live.apply(more)
    plenty = {"offer": 100, "person": 100}
    one, other = live.match(query, plenty), matcher(list(merged.values())).match(query, plenty)
    for kind in plenty:
        assert {c.key for c in one.candidates[kind]} == {c.key for c in other.candidates[kind]}
    assert live.versions() == {k: r.version for k, r in merged.items()}


@settings(max_examples=60, deadline=None)
@given(corpora, changes, queries)
def test_changes_one_by_one_leave_what_they_leave_all_at_once(
    main: list[Record], steps: list[list[Record] | int], query: Query
) -> None:
    slowly, at_once = matcher(main), matcher(main)
    last: dict[int, Record | None] = {}
    for step in steps:
        if isinstance(step, int):
            slowly.apply([], gone=[step])
            last[step] = None
        else:
            slowly.apply(step)
            last |= {r.key: r for r in step}
    at_once.apply([r for r in last.values() if r], gone=[k for k, r in last.items() if r is None])
    assert ranking(slowly, query) == ranking(at_once, query)
    assert slowly.versions() == at_once.versions()


def test_a_query_meets_few_segments_however_many_offers_were_added() -> None:
    m = matcher([replace(OFFERS[n % 3], key=n) for n in range(400)])
    for n in range(300):
        m.apply([replace(OFFERS[1], key=1000 + n)])
    assert m.pending == 300
    m.kernel = counting = Counting()
    assert len(best(m, Query(body="木虱"), top=1000)) == 433
    assert counting.segments < 8


@given(st.permutations(range(1, 9)))
def test_ties_go_to_the_smaller_key(keys: list[int]) -> None:
    same = [replace(OFFERS[0], key=k, owner=0) for k in keys]
    assert [c.key for c in best(matcher(same), Query(body="黄龙病检测"), top=5)] == [1, 2, 3, 4, 5]


def test_a_need_finds_its_offers_and_is_told_why() -> None:
    first = best(matcher(OFFERS), Query(body="果园怀疑是柑橘黄龙病，想做检测", region="511424"))[0]
    assert first.key == 1
    told = {(p.name, p.text) for p in first.parts}
    assert ("terms", "柑橘黄龙病") in told
    assert ("near", "city") in told


def test_people_are_found_beside_offers() -> None:
    answer = matcher(OFFERS).match(Query(body="柑橘园需要诊断"), {"offer": 5, "person": 5})
    assert [c.key for c in answer.candidates["person"]] == [-4]


def test_nobody_is_offered_his_own_offer() -> None:
    assert 1 not in [c.key for c in best(matcher(OFFERS), Query(body="黄龙病检测", owner=5))]


def test_nobody_is_offered_what_his_organization_offers() -> None:
    ours = [replace(OFFERS[0], owner=7, organization=3), OFFERS[1]]
    assert [c.key for c in best(matcher(ours), Query(body="柑橘黄龙病", owner=8, organization=3))] == [2]


def test_nobody_is_offered_what_he_blocked() -> None:
    assert [c.key for c in best(matcher(OFFERS), Query(body="柑橘", blocked=(5, 9)))] == [2]


@pytest.mark.parametrize(("within", "keys"), [(None, [1, 2]), ("51", [1, 2]), ("5101", [2]), ("511402", [1])])
def test_only_the_asked_region_is_searched(within: str | None, keys: list[int]) -> None:
    assert sorted(c.key for c in best(matcher(OFFERS), Query(body="柑橘", within=within))) == keys


def test_the_nearer_of_two_equal_offers_comes_first() -> None:
    places = ("510104", "511402", "511424", "500101")
    same = [replace(OFFERS[0], key=n, region=r) for n, r in enumerate(places, 1)]
    found = best(matcher(same), Query(body="黄龙病检测", region="511424", owner=0))
    assert [c.key for c in found] == [3, 2, 1, 4]


def test_a_declared_field_is_a_bonus_and_no_filter() -> None:
    found = best(matcher(OFFERS), Query(body="柑橘检测", discipline="冶金与钒钛"))
    assert [c.key for c in found] == [1, 2]


def test_a_missing_field_is_predicted_from_the_neighbours() -> None:
    answer = matcher(OFFERS).match(Query(body="柑橘木虱怎么防治"), {"offer": 5})
    assert answer.discipline == "植物保护"
    assert "field-predicted" in {p.name for p in answer.candidates["offer"][0].parts}


@pytest.mark.parametrize("text", ["", "的了吗", "！！！", "\ud800", "😀😀", "zzzzqqq"])
def test_a_text_without_usable_words_is_said_to_be_so(text: str) -> None:
    answer = matcher(OFFERS).match(Query(body=text), {"offer": 5})
    assert not answer.usable
    assert answer.candidates["offer"] == ()


@pytest.mark.parametrize(
    "text", ["5G 基站", "PM2.5在线监测", "Q235 钢 焊接", "x" * 19_000, "柑橘" * 9_000, "钒钛😀合金"]
)
def test_odd_texts_are_answered(text: str) -> None:
    matcher(OFFERS).match(Query(body=text), {"offer": 5})


def test_the_longest_text_takes_memory_in_proportion() -> None:
    text = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(MAX_TEXT // 2))
    m = matcher([*OFFERS, replace(OFFERS[0], key=9, body=text)])
    tracemalloc.start()
    assert best(m, Query(body=text))[0].key == 9
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_many_records_that_are_all_alike_are_found() -> None:
    m = matcher([replace(OFFERS[0], key=n) for n in range(1, engine.SIZEABLE + 100)])
    answer = m.match(Query(body="黄龙病检测"), {"offer": 3})
    assert answer.usable
    assert [c.key for c in answer.candidates["offer"]] == [1, 2, 3]


def test_a_long_text_leaves_common_words_out_and_says_so_in_no_reason() -> None:
    rare = [f"{chr(0x4E00 + n * 3)}{chr(0x6E00 + n * 5)}" for n in range(40)]
    many = [
        Record(n, "offer", "检测", body="检测" if n % 2 else f"{rare[n % 40]}。{rare[(n + 2) % 40]}")
        for n in range(1, engine.SIZEABLE + 200)
    ]
    m = matcher(many)
    told = {p.text for c in best(m, Query(body="检测。" + "。".join(rare))) for p in c.parts}
    assert told
    assert not any("检测" in text for text in told)
    assert "检测" in {p.text for c in best(m, Query(body="检测")) for p in c.parts}


def test_a_query_that_fails_leaves_nothing_behind() -> None:
    m = matcher(OFFERS)
    m.match(Query(body="钒钛"), {"offer": 5})
    whole, m.kernel = m.kernel, Breaking()
    with pytest.raises(MemoryError):
        m.match(Query(body="柑橘"), {"offer": 5})
    m.kernel = whole
    assert [c.key for c in best(m, Query(body="钒钛"))] == [3]


def test_an_empty_index_answers_nothing_and_takes_new_offers() -> None:
    empty = matcher([])
    assert best(empty, Query(body="柑橘")) == ()
    empty.apply(OFFERS)
    assert best(empty, Query(body="钒钛合金"))[0].key == 3


def test_a_changed_or_withdrawn_offer_is_seen_at_once() -> None:
    m = matcher(OFFERS)
    m.apply([replace(OFFERS[0], title="茶叶加工", keywords=("茶",), body="红茶发酵", version=2)])
    assert [c.key for c in best(m, Query(body="黄龙病 PCR"))] == []
    assert best(m, Query(body="红茶发酵"))[0].key == 1
    m.apply([], gone=[1])
    assert best(m, Query(body="红茶发酵")) == ()
    assert 1 not in m.versions()


def test_an_offer_is_no_more_fresh_when_its_days_are_over() -> None:
    m, days = matcher([replace(OFFERS[0], day=20_000)]), Weights().fresh_days
    told = [{p.name for p in best(m, Query(body="柑橘", day=20_000 + d))[0].parts} for d in (days, days + 1)]
    assert "fresh" in told[0]
    assert "fresh" not in told[1]


def test_scores_are_float32_all_the_way() -> None:
    assert matcher(OFFERS).main.impacts.dtype == np.float32
