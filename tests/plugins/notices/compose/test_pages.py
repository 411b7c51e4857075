"""Sending through the pages: whom, what, check, publish, look back."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.access import system
from keyun.accounts import User, actor_for
from keyun.site import Site
from keyun.testing import Browser, MakeApp, MakeSite, browse, make_organization, make_user
from keyun_notices.contacts.services import record_consent
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Attachment, Notice
from keyun_notices.publishing.services import publish
from keyun_notices.reach.services import reach
from keyun_notices.relays.services import add as add_relay

DRAFT = re.compile(r'name="draft" value="([^"]*)"')
MESSAGE = {"topic": "general", "title": "柑橘培训", "body": "周五上午在村委会。"}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """People of two cities, one of them verified."""
    site = make_site("notices")
    with site.writing() as unit:
        for n in range(30):
            make_user(unit, f"p{n}", region="511402" if n % 3 else "510104", level=n % 4)
    return site


@pytest.fixture
def app(make_app: MakeApp, site: Site) -> Flask:
    return make_app(site=site)


def staff(app: Flask, site: Site, region: str = "511400", role: str = "staff") -> Browser:
    """The browser of somebody who sends for ``region``."""
    with site.writing() as unit:
        user = make_user(unit, f"{role}-{region}", level=2, region=region, roles=[(role, region)])
    browser = browse(app)
    browser.log_in(user)
    return browser


def draft_of(text: str) -> str:
    """What the page carries in its hidden field."""
    found = DRAFT.search(text)
    assert found is not None, "the page carries no notice"
    return unescape(found[1])


def step(browser: Browser, at: str, do: str, draft: str, **fields: object) -> str:
    """Press a button; the page that comes."""
    answer = browser.submit("/notices/compose", {"at": at, "do": do, "draft": draft, **fields})
    assert answer.status_code == 200, answer.text
    return answer.text


LEVEL = {"scope": "511402", "g0-join": "all", "g0-c0-attribute": "level", "g0-c0-value": "2"}


def confirmed(browser: Browser, audience: Mapping[str, object] = LEVEL, **message: Any) -> str:
    """Go to the last page; what it carries."""
    page = browser.get("/notices/compose").text
    page = step(browser, "audience", "next", draft_of(page), **audience)
    return draft_of(step(browser, "message", "next", draft_of(page), **{**MESSAGE, **message}))


def notices(site: Site) -> list[Notice]:
    with site.reading() as unit:
        return list(unit.session.scalars(sa.select(Notice).order_by(Notice.id)))


def published(site: Site, browser: Browser, **more: Any) -> Notice:
    """Publish and return the newest notice."""
    answer = browser.submit(
        "/notices/compose", {"at": "confirm", "do": "publish", "draft": confirmed(browser, **more)}
    )
    assert answer.status_code == 303, answer.text
    return notices(site)[-1]


def test_an_audience_is_clicked_together_and_published(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    page = browser.get("/notices/compose").text
    assert "四川省眉山市" in page or "眉山市" in page
    page = step(
        browser, "audience", "add:0", draft_of(page), scope="511402", **{"g0-join": "all", "g0-new": "level"}
    )
    assert "认证等级" in page and "请至少选一项" not in page, "what was just added is no mistake yet"
    page = step(browser, "audience", "count", draft_of(page), **LEVEL)
    assert "<strong>5</strong>" in page
    page = step(browser, "audience", "next", draft_of(page), **LEVEL)
    assert "将发给 5 人" in page
    page = step(browser, "message", "next", draft_of(page), **MESSAGE)
    assert "周五上午在村委会" in page and "发布给 5 人" in page
    answer = browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft_of(page)})
    assert answer.status_code == 303
    (notice,) = notices(site)
    assert (notice.title, notice.addressed, notice.region) == ("柑橘培训", 5, "511402")
    assert notice.audience == {"attribute": "level", "is": 2}
    record = browser.get(answer.location).text
    assert "柑橘培训" in record and "认证等级为实名认证" in record and "staff-511400" in record
    assert "柑橘培训" in browser.get("/notices/sent").text


def test_pressing_publish_twice_makes_one_notice(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    draft = confirmed(browser)
    answers = [
        browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft}) for _ in "12"
    ]
    assert [a.status_code for a in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert len(notices(site)) == 1


def test_going_back_and_publishing_something_else_is_a_choice(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    draft = confirmed(browser)
    browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft})
    other = draft_of(step(browser, "message", "next", draft, **MESSAGE | {"title": "改了标题"}))
    refused = browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": other})
    assert refused.status_code == 409
    assert notices(site)[0].public_id in refused.text and "改了标题" in refused.text
    page = step(browser, "confirm", "anew", draft_of(refused.text))
    answer = browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft_of(page)})
    assert answer.status_code == 303
    assert [n.title for n in notices(site)] == ["柑橘培训", "改了标题"]


def test_nothing_is_lost_when_something_is_wrong(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    page = step(browser, "audience", "next", draft_of(browser.get("/notices/compose").text), **LEVEL)
    typed = {"topic": "", "title": "题", "body": "正文甲", "link": "javascript:alert(1)", "contacts": "true",
             "starts_at": "2020-01-01T00:00", "expires_at": "gone"}  # fmt: skip
    refused = browser.submit(
        "/notices/compose", {"at": "message", "do": "next", "draft": draft_of(page), **typed}
    )
    assert refused.status_code == 422
    for text in ("请选择主题", "2 至 120 个字", "https:// 开头的网址", "这个时间已经过去", "请填写日期和时间",
                 "正文甲", "javascript:alert(1)", "2020-01-01T00:00"):  # fmt: skip
        assert text in refused.text, text
    assert 'id="contacts" name="contacts" value="true" checked' in refused.text
    back = step(browser, "message", "back", draft_of(refused.text), **typed)
    assert 'value="2" checked' in back, "the audience is as it was"
    again = step(browser, "audience", "next", draft_of(back), **LEVEL)
    assert "正文甲" in again


def test_an_attachment_stays_while_the_text_is_corrected(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    page = step(browser, "audience", "next", draft_of(browser.get("/notices/compose").text), **LEVEL)
    files = {
        "attachments": [(io.BytesIO("议程".encode()), "议程.txt"), (io.BytesIO(b"MZ\x00\x90"), "setup.exe")]
    }
    refused = browser.submit(
        "/notices/compose", {"at": "message", "do": "next", "draft": draft_of(page), **MESSAGE, **files}
    )
    assert refused.status_code == 422 and "附件只收" in refused.text and "议程.txt" in refused.text
    page = step(browser, "message", "next", draft_of(refused.text), keep="0", **MESSAGE)
    answer = browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft_of(page)})
    assert "议程.txt" in browser.get(answer.location).text
    with site.reading() as unit:
        assert unit.session.scalars(sa.select(Attachment.name)).all() == ["议程.txt"]


def test_a_forged_attachment_is_none(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    carried = json.loads(confirmed(browser)) | {"kept": "W3siZGlnZXN0IjoiMDAifV0.x"}
    answer = browser.submit(
        "/notices/compose", {"at": "confirm", "do": "publish", "draft": json.dumps(carried)}
    )
    assert answer.status_code == 303
    with site.reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Attachment)) == 0


@pytest.mark.parametrize("scope", ["510104", "510000", "999999", ""])
def test_only_granted_regions_can_be_addressed_or_counted(app: Flask, site: Site, scope: str) -> None:
    browser = staff(app, site)
    page = browser.get("/notices/compose").text
    assert "成都市" not in page, "other regions are not even offered"
    page = step(browser, "audience", "next", draft_of(page), **LEVEL | {"scope": scope})
    assert (
        "scope-error" in page and "人数试算" not in page.partition('id="counted"')[2].partition("<table")[2]
    )
    carried = json.loads(confirmed(browser)) | {"scope": [scope]}
    answer = browser.submit(
        "/notices/compose", {"at": "confirm", "do": "publish", "draft": json.dumps(carried)}
    )
    assert answer.status_code in (403, 422)
    assert notices(site) == []


def test_clauses_are_counted_within_the_scope_only(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    form = {"at": "audience", "scope": "511402", "g0-join": "all", "g0-c0-attribute": "region",
            "g0-c0-value": "510000", "g0-c0-not": "1"}  # fmt: skip
    draft = draft_of(browser.get("/notices/compose").text)
    answer = browser.submit("/notices/compose/count", {"draft": draft, **form})
    assert answer.status_code == 200
    assert "<td>30</td>" not in answer.text, "there are 30 people in the province, and 20 in the county"
    assert "<td>20</td>" in answer.text and "没有一个账号满足" in answer.text


def test_examples_have_no_names_and_few_people_are_no_example(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    draft = draft_of(browser.get("/notices/compose").text)
    everybody = step(browser, "audience", "count", draft, scope="511402", **{"g0-join": "all"})
    assert "看 5 个例子" in everybody and "地区范围内的所有人" in everybody
    assert not re.search(r"\bp\d+\b", everybody.partition('id="counted"')[2])
    assert "个例子" not in step(browser, "audience", "count", draft, **LEVEL)


def test_an_audience_too_deep_for_the_form_is_edited_as_json(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    level = {"attribute": "level", "is": 2}
    deep = json.dumps({"not": {"not": {"any": [{"all": [level]}]}}})
    draft = draft_of(browser.get("/notices/compose").text)
    page = step(browser, "audience", "form", draft, scope="511402", mode="json", json=deep)
    assert "层次太深" in page and "<strong>5</strong>" in page
    page = step(browser, "audience", "next", draft_of(page), scope="511402", mode="json", json=deep)
    assert "将发给 5 人" in page
    back = step(browser, "message", "back", draft_of(page), **MESSAGE)
    assert 'name="mode" value="json"' in back
    simple = step(browser, "audience", "form", draft, scope="511402", mode="json", json=json.dumps(level))
    assert 'name="g0-c0-attribute" value="level"' in simple


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "1e999",
        '{"attribute": "gone", "is": 1}',
        '{"attribute": "region", "within": ["999999"]}',
        '{"attribute": "\\ud800", "is": 1}',
        "[" * 5000,
        "9" * 5000,
    ],
)
def test_json_that_is_no_audience_is_explained_and_kept(app: Flask, site: Site, text: str) -> None:
    browser = staff(app, site)
    page = step(browser, "audience", "next", "", scope="511402", mode="json", json=text)
    assert "json-error" in page and text in unescape(page)


THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=5,
)
CARRIED = st.fixed_dictionaries(
    {},
    optional={
        "ikey": st.text(max_size=20),
        "of": st.text(max_size=40),
        "kept": st.text(max_size=30),
        "scope": st.lists(st.text(max_size=6), max_size=3),
        "audience": THINGS,
        "text": st.dictionaries(st.sampled_from(["title", "body", "topic", "life"]), st.text(max_size=8)),
    },
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.sampled_from(["audience", "message", "confirm", "x"]),
    do=st.sampled_from(["next", "back", "publish", "anew", "preview", "count", "json", "form", "add:0"]),
    draft=st.text(max_size=60) | CARRIED.map(json.dumps),
)
def test_no_form_is_a_fault(sender: Browser, at: str, do: str, draft: str) -> None:
    text = draft.encode("utf-8", "replace").decode()
    answer = sender.submit("/notices/compose", {"at": at, "do": do, "draft": text})
    assert answer.status_code < 500, answer.text


@pytest.fixture
def sender(app: Flask, site: Site) -> Browser:
    return staff(app, site)


def test_the_life_class_is_for_administrators_who_confirm_it(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    assert "life" not in json.loads(confirmed(browser))["text"]
    carried = json.loads(confirmed(browser))
    carried["text"] |= {"life": "true", "life_sure": "true"}
    answer = browser.submit(
        "/notices/compose", {"at": "confirm", "do": "publish", "draft": json.dumps(carried)}
    )
    assert answer.status_code == 403 and notices(site) == []
    admin = staff(app, site, "510000", "admin")
    page = step(admin, "audience", "next", draft_of(admin.get("/notices/compose").text), **LEVEL)
    assert "个人信息保护法" in page
    typed = {"at": "message", "do": "next", "draft": draft_of(page), **MESSAGE, "life": "true"}
    assert admin.submit("/notices/compose", typed).status_code == 422
    assert published(site, admin, life="true", life_sure="true").life is True


def test_an_update_begins_with_what_was_sent_and_takes_its_place(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    first = published(site, browser)
    page = browser.get(f"/notices/compose?update={first.public_id}").text
    assert "更新通知" in page and 'value="2" checked' in page
    page = step(browser, "audience", "next", draft_of(page), **LEVEL)
    assert "周五上午在村委会" in page
    page = step(browser, "message", "next", draft_of(page), **MESSAGE | {"body": "改到周六。"})
    answer = browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft_of(page)})
    old, new = notices(site)
    assert (old.state, new.kind, new.state) == ("superseded", "update", "published")
    assert "来龙去脉" in browser.get(answer.location).text


def test_a_sender_speaks_for_his_own_organization_only(app: Flask, site: Site) -> None:
    with site.writing() as unit:
        mine, other = make_organization(unit, "演示协会"), make_organization(unit, "别的协会")
        user = make_user(unit, "member", level=2, roles=[("staff", "511400")], organizations=[mine])
    browser = browse(app)
    browser.log_in(user)
    page = step(browser, "audience", "next", draft_of(browser.get("/notices/compose").text), **LEVEL)
    assert "演示协会" in page and "别的协会" not in page
    foreign = {"at": "confirm", "do": "publish", "draft": confirmed(browser, organization=other.public_id)}
    assert browser.submit("/notices/compose", foreign).status_code == 403
    notice = published(site, browser, organization=mine.public_id)
    assert "演示协会" in browser.get(f"/notices/sent/{notice.public_id}").text


def test_a_cancellation_needs_a_reason_that_readers_get(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    notice = published(site, browser)
    where = f"/notices/sent/{notice.public_id}/cancel"
    refused = browser.submit(where, {"reason": " "})
    assert refused.status_code == 422 and "请写明解除原因" in refused.text
    assert browser.submit(where, {"reason": "老师来不了"}).status_code == 303
    old, note = notices(site)
    assert (old.state, note.kind, note.body) == ("cancelled", "cancel", "老师来不了")
    assert "发布更新" not in browser.get(f"/notices/sent/{notice.public_id}").text


def test_records_are_for_those_who_answer_for_the_region(app: Flask, site: Site) -> None:
    notice = published(site, staff(app, site))
    other = staff(app, site, "510100")
    paths = [f"/notices/sent/{notice.public_id}{end}" for end in ("", "/figures.csv", "/figures.json")]
    assert [other.get(p).status_code for p in paths] == [404, 404, 404]
    assert other.get(f"/notices/compose?update={notice.public_id}").status_code == 404
    assert other.submit(f"/notices/sent/{notice.public_id}/cancel", {"reason": "别人的"}).status_code == 404
    assert "柑橘培训" not in other.get("/notices/sent").text
    assert "柑橘培训" in staff(app, site, "510000").get("/notices/sent").text


def test_a_colleague_reads_the_record_and_cannot_end_it(app: Flask, site: Site) -> None:
    notice = published(site, staff(app, site))
    colleague = staff(app, site, "510000")
    assert "更新或解除" not in colleague.get(f"/notices/sent/{notice.public_id}").text
    assert colleague.submit(f"/notices/sent/{notice.public_id}/cancel", {"reason": "不行"}).status_code == 403
    assert "更新或解除" in staff(app, site, "510000", "admin").get(f"/notices/sent/{notice.public_id}").text


def test_figures_are_exported_without_anybody_in_them(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    notice = published(site, browser, title="=1+1 培训")
    table = browser.get("/notices/sent/figures.csv")
    assert table.mimetype == "text/csv" and "attachment" in table.headers["Content-Disposition"]
    assert table.data.startswith("\ufeff".encode()) and "'=1+1 培训" in table.text
    (row,) = browser.get(f"/notices/sent/{notice.public_id}/figures.json").get_json()
    assert (row["accounts_addressed"], row["accounts_shown"], row["relays_confirmed"]) == (5, 0, 0)
    assert not re.search(r"\bp\d+\b|staff", table.text)


def test_figures_say_what_they_count(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    published(site, browser)
    (row,) = browser.get("/notices/sent/figures.json").get_json()
    assert {k for k in row if "handed_over" in k} == {
        "accounts_letters_handed_over", "contacts_letters_handed_over", "relays_handed_over",
    }  # fmt: skip
    kinds = ("addressed", "erased", "confirmed")
    assert {f"{who}_{what}" for who in ("accounts", "contacts") for what in kinds} <= row.keys()


@pytest.mark.parametrize(
    ("audience", "contacts", "relays"),
    [
        ({"scope": "511402"}, "同时发给 2 人", "请 1 个转达"),
        ({"scope": "511424"}, "同时发给 0 人", "请 0 个转达"),
        (LEVEL, "不发：条件里除地区外还有别的", "请 1 个转达"),
    ],
)
def test_who_checks_sees_how_many_contacts_and_relays_it_is_for(
    app: Flask, site: Site, audience: Mapping[str, object], contacts: str, relays: str
) -> None:
    with site.writing() as unit:
        for phone in ("13800000001", "13800000002"):
            consent = {"phone": phone, "region": "511402", "consented_on": "2026-01-02", "evidence": "登记表"}
            record_consent(system(), unit, consent)
        add_relay(system(), unit, {"kind": "screen", "name": "东坡大屏", "region": "511402"})
    browser = staff(app, site)
    page = step(browser, "audience", "next", draft_of(browser.get("/notices/compose").text), **audience)
    typed = {**MESSAGE, "contacts": "true", "relays": "true"}
    page = step(browser, "message", "next", draft_of(page), **typed)
    assert contacts in page and relays in page
    browser.submit("/notices/compose", {"at": "confirm", "do": "publish", "draft": draft_of(page)})
    with site.reading() as unit:
        found = reach(system(), unit, notices(site)[-1])
    assert f"发给 {found.contacts.addressed.people} 人" in page or not found.contacts.addressed.people
    assert f"请 {found.relays.asked} 个" in page


def test_the_list_of_sent_notices_has_pages(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    with site.reading() as unit:
        sender = actor_for(unit.session.scalars(sa.select(User).where(User.login == "staff-511400")).one())
    with site.writing() as unit:
        for n in range(25):
            publish(sender, unit, Draft(f"k{n}", title=f"第 {n} 条", body="文", regions=("511402",)))
    first = browser.get("/notices/sent").text
    assert "第 24 条" in first and "第 4 条" not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    last = browser.get(unescape(following[1])).text
    assert "第 4 条" in last and "第 0 条" in last and "第 5 条" not in last
    assert browser.get("/notices/sent?after=zzz").status_code == 422


@pytest.mark.parametrize("path", ["/notices/compose", "/notices/sent", "/notices/sent/figures.csv"])
def test_visitors_log_in_and_others_are_refused(app: Flask, site: Site, path: str) -> None:
    assert browse(app).get(path).status_code in (302, 303)
    with site.writing() as unit:
        user = make_user(unit, "somebody")
    browser = browse(app)
    browser.log_in(user)
    assert browser.get(path).status_code == 403
    assert "通知管理" not in browser.get("/").text
    assert "通知管理" in staff(app, site).get("/").text
