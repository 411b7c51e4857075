"""Reviewers decide on what waits in their regions, and see nothing of others."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.accounts import User, actor_for
from keyun.content import create, publish
from keyun.reviews.models import Review
from keyun.site import Site
from keyun.testing import Browser, browse, make_user
from keyun.testing.clock import Clock

MakeApp = Callable[..., Flask]
REVIEW = {"content": {"review": [{"type": "*", "region": "510000", "policy": "review-first"}]}}


@pytest.fixture
def app(make_app: MakeApp, notes: str) -> Flask:
    return make_app(notes, config=REVIEW)


def submit_note(site: Site, title: str, region: str, body: str = "正文") -> tuple[str, str]:
    """A note that waits for review; returns the addresses of the note and of its review."""
    with site.writing() as unit:
        writer = actor_for(make_user(unit, f"writer-{title}", level=1))
        values = {"title": title, "body": body, "region": region}
        item = create(writer, unit, site.types["notes.note"], values)
        publish(writer, unit, item)
        number = unit.session.scalar(sa.select(Review.public_id).where(Review.content_id == item.id))
        return f"/notes/{item.public_id}", f"/review/{number}"


def log_in(app: Flask, login: str) -> Browser:
    client = browse(app)
    with app.extensions["keyun"].reading() as unit:
        client.log_in(unit.session.scalars(sa.select(User).where(User.login == login)).one())
    return client


def reviewer(app: Flask, region: str, name: str = "") -> Browser:
    login = f"reviewer-{region}{name}"
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, login, level=2, roles=[("reviewer", region)])
    return log_in(app, login)


def version(client: Browser, address: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', client.get(address).text)
    assert found is not None
    return found[1]


def test_a_reviewer_lets_a_text_pass_and_the_public_reads_it(app: Flask) -> None:
    note, review = submit_note(app.extensions["keyun"], "春耕要点", "511402")
    client = reviewer(app, "511400")
    assert browse(app).get(note).status_code == 404
    assert review in client.get("/review").text
    said = {"decision": "approve", "version": version(client, review)}
    answer = client.submit(f"{review}/judge", said, follow_redirects=True)
    assert "已通过并公开：春耕要点" in answer.text
    assert browse(app).get(note).status_code == 200
    assert "没有待审内容" in client.get("/review").text


def test_a_text_is_sent_back_only_with_a_reason(app: Flask) -> None:
    note, review = submit_note(app.extensions["keyun"], "无来源", "511402")
    client = reviewer(app, "510000")
    answer = client.submit(f"{review}/judge", {"decision": "reject", "reason": "  "})
    assert answer.status_code == 422
    assert "请写明退回原因。" in answer.text
    assert 'aria-describedby="reason-error"' in answer.text
    answer = client.submit(f"{review}/judge", {"decision": "reject", "reason": "请注明来源"})
    assert answer.status_code == 303
    assert client.submit(f"{review}/judge", {"decision": "approve"}).status_code == 409
    assert browse(app).get(note).status_code == 404


def test_a_decision_on_a_text_that_is_not_there_any_more_is_refused(app: Flask) -> None:
    _note, review = submit_note(app.extensions["keyun"], "旧文", "511402")
    client = reviewer(app, "510000")
    assert client.submit(f"{review}/judge", {"decision": "approve", "version": "1"}).status_code == 409
    assert client.submit(f"{review}/judge", {"decision": "maybe"}).status_code == 422


def test_the_queue_of_another_region_is_invisible(app: Flask) -> None:
    site = app.extensions["keyun"]
    (_here, mine), (there, theirs) = submit_note(site, "本地", "511402"), submit_note(site, "外地", "510104")
    client = reviewer(app, "511400")
    page = client.get("/review").text
    assert ">本地<" in page
    assert ">外地<" not in page
    assert client.get(theirs).status_code == 404
    for verb in ("judge", "claim", "give-back", "hand-over", "comment", "ask-again"):
        answer = client.submit(f"{theirs}/{verb}", {"decision": "approve", "text": "字", "reason": "字"})
        assert answer.status_code == 404
    assert client.submit(f"{mine}/judge", {"decision": "approve"}).status_code == 303
    assert browse(app).get(there).status_code == 404


def test_many_texts_elsewhere_do_not_hide_the_ones_here(app: Flask, clock: Clock) -> None:
    site = app.extensions["keyun"]
    for n in range(22):
        submit_note(site, f"外地{n}", "510104")
    clock.tick(dt.timedelta(hours=1))
    submit_note(site, "本地", "511402")
    assert ">本地<" in reviewer(app, "511402").get("/review").text
    client = reviewer(app, "510000")
    first = client.get("/review?type=notes.note").text
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None and ">本地<" not in first
    rest = client.get(link[1].replace("&amp;", "&")).text
    assert ">本地<" in rest and rest.count(">外地") == 2
    assert client.get("/review?after=nonsense").status_code == 422


def test_the_pages_show_a_script_as_text(app: Flask) -> None:
    script = "<script>alert(1)</script>"
    _note, review = submit_note(app.extensions["keyun"], script, "511402", body=script)
    client = reviewer(app, "511402")
    client.submit(f"{review}/comment", {"text": script})
    for page in (client.get("/review").text, client.get(review).text):
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page


def test_an_author_sees_the_conversation_and_no_form_to_decide(app: Flask) -> None:
    _note, review = submit_note(app.extensions["keyun"], "稻田养鱼", "511402")
    client, author = reviewer(app, "511402"), log_in(app, "writer-稻田养鱼")
    assert client.submit(f"{review}/comment", {"text": "水深多少？"}).status_code == 303
    assert author.get("/review").status_code == 403
    assert review in author.get("/review/mine").text
    page = author.get(review).text
    assert "水深多少？" in page and "reviewer-511402" not in page
    assert 'name="decision"' not in page
    assert author.submit(f"{review}/judge", {"decision": "approve"}).status_code == 403
    assert author.submit(f"{review}/comment", {"text": ""}).status_code == 422
    assert author.submit(f"{review}/comment", {"text": "二十厘米"}).status_code == 303
    assert "二十厘米" in client.get(review).text


def test_a_page_of_an_item_leads_to_its_review(app: Flask) -> None:
    note, review = submit_note(app.extensions["keyun"], "路", "511402")
    client = reviewer(app, "511402")
    assert client.get(note.replace("/notes/", "/review/item/")).location == review
    assert browse(app).get(review).location.startswith("/login")


def test_a_review_is_claimed_handed_over_and_reopened_by_forms(app: Flask) -> None:
    note, review = submit_note(app.extensions["keyun"], "轮作", "511402")
    one, other = reviewer(app, "511400"), reviewer(app, "511402", "-b")
    assert one.submit(f"{review}/claim").status_code == 303
    assert (
        review in one.get("/review?mine=yes").text and review not in other.get("/review?unclaimed=yes").text
    )
    assert 'name="decision"' not in other.get(review).text
    assert one.submit(f"{review}/hand-over", {"to": "nobody"}).status_code == 422
    chosen = re.search(r'<option value="([0-9a-f-]{36})"', one.get(review).text)
    assert chosen is not None
    assert one.submit(f"{review}/hand-over", {"to": chosen[1]}).status_code == 303
    assert one.submit(f"{review}/claim").status_code == 409
    assert one.submit(f"{review}/claim", {"take_over": "yes"}).status_code == 303
    assert one.submit(f"{review}/give-back").status_code == 303
    assert other.submit(f"{review}/judge", {"decision": "approve"}).status_code == 303
    assert one.submit(f"{review}/ask-again", {"reason": ""}).status_code == 422
    assert one.submit(f"{review}/ask-again", {"reason": "有误"}).status_code == 303
    assert browse(app).get(note).status_code == 404
