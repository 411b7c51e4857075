"""What everybody may read, on pages and in feed readers; and the inbox of who refuses profiles."""

from __future__ import annotations

import datetime as dt
from typing import Any
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from keyun.testing import MakeApp, MakeSite, browse
from keyun_notices.preferences.audience import chosen_by_region, regional
from keyun_notices.preferences.services import Wish
from keyun_notices.preferences.syndication import Entry, Feed, atom, rss

from .conftest import URL, World

ATOM = "{http://www.w3.org/2005/Atom}"
YOUNG = {"attribute": "level", "is": 1}
HERE = {"attribute": "region", "within": ["511402"]}


def titles(world: World, make_app: MakeApp, address: str) -> list[str]:
    """The titles in a feed, newest first."""
    answer = browse(make_app(site=world.site)).get(address)
    assert answer.status_code == 200
    root = ElementTree.fromstring(answer.data)
    found = root.findall(".//item/title") or root.findall(f"{ATOM}entry/{ATOM}title")
    return [t.text or "" for t in found]


def test_only_what_was_chosen_by_region_is_public(world: World, make_app: MakeApp) -> None:
    world.publish("all", title="全体")
    world.publish("here", title="本区", audience=HERE)
    hidden = world.publish("some", title="部分人", audience={"all": [HERE, YOUNG]})
    world.publish("over", title="过期", expires_at=world.clock() + dt.timedelta(hours=1))
    world.clock.tick(dt.timedelta(hours=2))
    browser = browse(make_app(site=world.site))
    page = browser.get("/notices/feed").get_data(as_text=True)
    assert [t in page for t in ("全体", "本区", "部分人", "过期")] == [True, True, False, False]
    assert browser.get(f"/notices/feed/{hidden}").status_code == 404
    items = browser.get("/api/v1/notices/feed").json["items"]  # type: ignore[index]
    assert [i["title"] for i in items] == ["本区", "全体"]
    for kind in ("rss", "atom"):
        assert titles(world, make_app, f"/notices/feed.{kind}") == ["本区", "全体"]
        assert f"/notices/feed.{kind}" in page


def test_a_cancellation_shows_only_what_was_public(world: World, make_app: MakeApp) -> None:
    public = world.publish("open", title="停水")
    world.publish("some", title="部分人", audience=YOUNG)
    for key in ("open", "some"):
        world.cancel(key)
    assert titles(world, make_app, "/notices/feed.atom") == ["已解除：停水"]
    assert browse(make_app(site=world.site)).get(f"/notices/feed/{public}").status_code == 404


def test_a_feed_has_one_topic_and_what_concerns_one_place(world: World, make_app: MakeApp) -> None:
    world.publish("province", title="全省", regions=("510000",))
    world.publish("county", title="本区", topic="awards")
    world.publish("far", title="别处", regions=("510104",))
    assert titles(world, make_app, "/notices/feed.rss?region=511402") == ["本区", "全省"]
    assert titles(world, make_app, "/notices/feed.rss?region=511400") == ["本区", "全省"]
    assert titles(world, make_app, "/notices/feed.rss?topic=awards") == ["本区"]
    assert browse(make_app(site=world.site)).get("/notices/feed.rss?topic=nothing").status_code == 404


def test_a_reader_that_asks_again_gets_an_answer_only_when_something_changed(
    world: World, make_app: MakeApp
) -> None:
    world.publish("a", title="第一条", expires_at=world.clock() + dt.timedelta(hours=5))
    browser = browse(make_app(site=world.site))
    for kind, media in (("rss", "application/rss+xml"), ("atom", "application/atom+xml")):
        address = f"/notices/feed.{kind}"
        first = browser.get(address)
        assert first.mimetype == media
        tag, since = first.headers["ETag"], first.headers["Last-Modified"]
        assert browser.get(address, headers={"If-None-Match": tag}).status_code == 304
        assert browser.get(address, headers={"If-Modified-Since": since}).status_code == 304
        world.clock.tick(dt.timedelta(seconds=5))
        world.publish(f"b-{kind}", title="又一条")
        assert browser.get(address, headers={"If-None-Match": tag}).status_code == 200
        assert browser.get(address, headers={"If-Modified-Since": since}).status_code == 200
    # What runs out changes the feed as well.
    since = browser.get("/notices/feed.rss").headers["Last-Modified"]
    world.clock.tick(dt.timedelta(hours=6))
    assert browser.get("/notices/feed.rss", headers={"If-Modified-Since": since}).status_code == 200


def test_a_feed_leads_to_whole_addresses_and_pages_that_open(world: World, make_app: MakeApp) -> None:
    public = world.publish("a", title="<b>&第一条", body="**正文**，[链接](https://example.org/?a=1&b=2)")
    browser = browse(make_app(site=world.site))
    root = ElementTree.fromstring(browser.get("/notices/feed.atom").data)
    entry = root.find(f"{ATOM}entry")
    assert entry is not None
    assert entry.findtext(f"{ATOM}title") == "<b>&第一条"
    assert entry.findtext(f"{ATOM}id") == f"urn:uuid:{public}"
    assert "<strong>正文</strong>" in (entry.findtext(f"{ATOM}content") or "")
    link = entry.find(f"{ATOM}link")
    assert link is not None
    address = link.get("href") or ""
    assert address == f"{URL}/notices/feed/{public}"
    page = browser.get(address.removeprefix(URL))
    assert page.status_code == 200
    assert "&lt;b&gt;&amp;第一条" in page.get_data(as_text=True)


def test_the_public_list_is_paged(world: World, make_app: MakeApp) -> None:
    for number in range(25):
        world.publish(f"n{number}", title=f"第{number}条。")
    browser = browse(make_app(site=world.site))
    first = browser.get("/notices/feed").get_data(as_text=True)
    further = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = browser.get(further).get_data(as_text=True)
    assert [f"第{n}条。" in first for n in (24, 5, 4)] == [True, True, False]
    assert [f"第{n}条。" in second for n in (5, 4, 0)] == [False, True, True]


def test_who_refuses_profiles_sees_only_what_was_chosen_by_region(world: World, make_app: MakeApp) -> None:
    li = world.person("li")
    world.publish("all", title="全体")
    world.publish("some", title="部分人", audience=YOUNG)
    world.publish("danger", title="山洪", audience=YOUNG, life=True)
    browser = browse(make_app(site=world.site))
    browser.log_in(li)

    def shown(address: str) -> list[bool]:
        text = browser.get(address).get_data(as_text=True)
        return [t in text for t in ("全体", "部分人", "山洪")]

    assert shown("/notices/") == [True, True, True]
    assert shown("/notices/?personal=0") == [True, False, True]
    world.wants(li, Wish(impersonal=True))
    assert shown("/notices/") == [True, False, True]


@pytest.mark.parametrize("kind", [rss, atom])
@given(text=st.text(), moment=st.datetimes(dt.datetime(2000, 1, 1), timezones=st.just(dt.UTC)))
def test_whatever_is_written_the_document_is_xml_and_says_it(
    kind: Any, text: str, moment: dt.datetime
) -> None:
    entry = Entry("0", text, "https://example.org/?a=1&b=2", text, text, text, moment)
    whole = Feed(text, text, "https://example.org", 'https://example.org/?"', text, "zh", moment, [entry])
    root = ElementTree.fromstring(kind(whole))
    title = root.find(".//item/title") if kind is rss else root.find(f"{ATOM}entry/{ATOM}title")
    assert title is not None
    clean = "".join(c for c in text if c in "\t\n\r" or c >= " ")
    clean = "".join(c for c in clean if not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    assert (title.text or "") == clean.replace("\r\n", "\n").replace("\r", "\n")


NAMES = st.sampled_from(["region", "level", "attribute", "workers.title"])
VALUES = st.one_of(st.integers(0, 3), st.sampled_from(['"attribute"', 'x"attribute": "y', "511402"]))
LEAVES = st.builds(lambda name, value: {"attribute": name, "is": value}, NAMES, VALUES)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=6,
)


def test_the_database_and_python_agree_on_what_was_chosen_by_region(make_site: MakeSite) -> None:
    with make_site("notices").reading() as unit:

        @given(EXPRESSIONS)
        def agree(expression: dict[str, Any]) -> None:
            query = sa.select(chosen_by_region(sa.literal(expression, sa.JSON)))
            assert bool(unit.session.scalar(query)) is regional(expression)

        agree()
