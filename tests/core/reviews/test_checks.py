"""What machines tell reviewers, and what they see to be new in a text."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.access import Actor
from keyun.content import Content, Draft, ReviewCheck, change, find
from keyun.reviews.decisions import decide
from keyun.reviews.difference import compare
from keyun.reviews.services import changes, checks, find_review, review_of
from keyun.testing.makers import MakeSite
from tests.core.reviews.conftest import ARTICLE, CONFIG, FORM, Desk

PLUGIN = """
from keyun.content import ReviewCheck
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_review_checks(self, draft):
        {body}
"""


def found(desk: Desk, **values: object) -> dict[str, list[tuple[str, str]]]:
    """Outcome and text by the name of the check."""
    draft = Draft(ARTICLE, "题", "", str(values.get("body", "")), "511402", FORM | values)
    answer: dict[str, list[tuple[str, str]]] = {}
    for check in desk.site.plugins.review_checks(draft):
        answer.setdefault(check.name.partition(" ")[0], []).append((check.outcome, check.text))
    return answer


def test_source_voucher_and_region_are_looked_at(desk: Desk) -> None:
    whole = found(desk)
    assert [whole[k][0][0] for k in ("地区", "来源", "审定者")] == ["pass"] * 3
    bare = found(desk, source=" ", voucher="")
    assert bare["来源"][0][0] == bare["审定者"][0][0] == "fail"
    nowhere = desk.site.plugins.review_checks(Draft(ARTICLE, "题", "", "", None, FORM))
    assert [c.outcome for c in nowhere if c.name.startswith("地区")] == ["warn"]


@pytest.mark.parametrize(
    ("link", "outcome"),
    [
        ("[指南](https://example.org/a)", "pass"),
        ("见 https://example.org/a。", "pass"),
        ("[写信](mailto:a@example.org)", "pass"),
        ("[跑](javascript:alert(1))", "fail"),
        ("[数据](data:text/html,x)", "fail"),
        ("[文件](ftp://example.org/a)", "fail"),
        ("[内部](http://10.0.0.8/a)", "fail"),
        ("[本机](http://localhost/a)", "fail"),
        ("[错](http://[::1/a)", "fail"),
        ("[错](https://example.org:99999/)", "fail"),
        ("[缺](www.example.org/a)", "fail"),
        ("[藏](https://bank.example@evil.example/)", "fail"),
        ("https://nowhere/", "fail"),
    ],
)
def test_links_are_judged_by_their_form(desk: Desk, link: str, outcome: str) -> None:
    assert found(desk, body=link)["链接"][0][0] == outcome


def test_no_text_keeps_the_checks_long(desk: Desk) -> None:
    begun = time.process_time()
    for body in ("[" * 20_000, "](" * 10_000, "https://" * 2_500, "[a](http://a.b/c)" * 1_100):
        found(desk, body=body)
    assert time.process_time() - begun < 2


def test_hook_review_checks_adds_its_own(make_site: MakeSite, write_plugin: Callable[..., Path]) -> None:
    body = "return [ReviewCheck.warned('字数 (Length)', str(len(draft.body)))]"
    write_plugin("counter", PLUGIN.format(body=body))
    desk = Desk(make_site("popsci", "counter", config=CONFIG))
    assert found(desk, body="四个汉字")["字数"] == [("warn", "4")]


@pytest.mark.parametrize("body", ["raise RuntimeError('broken')", "return 'pass'", "return ['pass']"])
def test_a_check_that_fails_is_a_warning(
    make_site: MakeSite, write_plugin: Callable[..., Path], body: str
) -> None:
    write_plugin("broken", PLUGIN.format(body=body))
    desk = Desk(make_site("popsci", "broken", config=CONFIG))
    assert found(desk)["broken"][0][0] == "warn"
    assert found(desk)["来源"][0][0] == "pass"


def test_a_check_has_one_of_three_outcomes() -> None:
    with pytest.raises(TypeError):
        ReviewCheck("名", "maybe", "字")


def test_the_reviewer_sees_the_worst_first_and_only_what_is_new(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author, body="第一行\n第二行\n第三行\n第四行\n第五行")
    with desk.site.reading() as unit:
        review, item = find_review(reviewer, unit, number)
        assert changes(reviewer, unit, review, item) == []
    with desk.site.writing() as unit:
        decide(reviewer, unit, find_review(reviewer, unit, number)[0], "approve")
    with desk.site.writing() as unit:
        item = find(author, unit, Content, desk.item(number).public_id)
        change(
            author,
            unit,
            item,
            {"body": "第一行\n第二行\n第三行\n第四行\n第五段", "source": "[看](ftp://a.b)"},
        )
    with desk.site.reading() as unit:
        review, item = find_review(reviewer, unit, number)
        review, item = review_of(reviewer, unit, item.public_id)
        passages = {p.label: p.lines for p in changes(reviewer, unit, review, item)}
        outcomes = [c.outcome for c in checks(reviewer, unit, review, item)]
    assert set(passages) == {"正文", "来源"}
    assert [[(r.kind, r.text) for r in line] for line in passages["正文"]] == [
        [("same", "…")],
        [("same", "第四行")],
        [("same", "第五"), ("removed", "行"), ("added", "段")],
    ]
    assert outcomes == sorted(outcomes, key=("fail", "warn", "pass").index)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_runs_of_a_line_are_both_its_texts(old: str, new: str) -> None:
    old, new = old.replace("\n", " "), new.replace("\n", " ")
    runs = [run for line in compare(old, new) for run in line]
    assert "".join(r.text for r in runs if r.kind != "added") == old
    assert "".join(r.text for r in runs if r.kind != "removed") == new


def test_no_text_keeps_the_comparison_long() -> None:
    begun = time.process_time()
    for old, new in (
        ("甲" * 20_000, "乙甲" * 10_000),
        ("\n" * 20_000, "甲\n" * 10_000),
        ("甲。乙。" * 5_000, "乙。甲。" * 5_000),
        ("甲\n乙\n" * 490, "乙\n甲\n" * 490),
        ("甲乙" * 290, "乙甲" * 290),
    ):
        compare(old, new)
    assert time.process_time() - begun < 3
