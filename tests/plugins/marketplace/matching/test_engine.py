"""The matcher: the same ranking with every kernel, exact reasons, and a delta that is seen at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.search.analysis import analyzer
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.kernels import available, choose
from keyun_marketplace.matching.records import Candidate, Query, Record

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
)
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


def matcher(found: Sequence[Record], kernel: str = "numpy") -> Matcher:
    return Matcher.of(found, analyzer(), choose(kernel))


def best(m: Matcher, query: Query, kind: str = "offer", top: int = 10) -> Sequence[Candidate]:
    return m.match(query, {kind: top}).candidates[kind]


def ranking(m: Matcher, query: Query) -> list[tuple[str, int, float]]:
    answer = m.match(query, {"offer": 7, "person": 3})
    return [(c.kind, c.key, c.score) for found in answer.candidates.values() for c in found]


@pytest.mark.skipif(available()[0] != "numba", reason="numba is not installed")
@settings(max_examples=60, deadline=None)
@given(corpora, corpora, queries)
def test_compiled_and_plain_kernels_rank_the_same(
    main: list[Record], more: list[Record], query: Query
) -> None:
    both = [matcher(main, name) for name in ("numba", "numpy")]
    for m in both:
        m.apply(more, gone=[r.key for r in main[:2]])
    assert ranking(both[0], query) == ranking(both[1], query)


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


def test_scores_are_float32_all_the_way() -> None:
    assert matcher(OFFERS).main.impacts.dtype == np.float32
