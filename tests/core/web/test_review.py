"""Reviewers decide on what waits in their regions, and see nothing of others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from keyun.accounts import actor_for
from keyun.content import create, publish
from keyun.site import Site
from keyun.testing import Browser, browse, make_user

MakeApp = Callable[..., Flask]
REVIEW = {"content": {"review": [{"type": "*", "region": "510000", "policy": "review-first"}]}}


@pytest.fixture
def app(make_app: MakeApp, notes: str) -> Flask:
    return make_app(notes, config=REVIEW)


def submit_note(site: Site, title: str, region: str) -> str:
    """A note that waits for review; returns its public id."""
    with site.writing() as unit:
        writer = actor_for(make_user(unit, f"writer-{title}", level=1))
        values = {"title": title, "body": "正文", "region": region}
        item = create(writer, unit, site.types["notes.note"], values)
        publish(writer, unit, item)
        return item.public_id


def reviewer(app: Flask, region: str) -> Browser:
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit, f"reviewer-{region}", level=2, roles=[("reviewer", region)]))
    return client


def test_a_reviewer_lets_a_text_pass_and_the_public_reads_it(app: Flask) -> None:
    note = submit_note(app.extensions["keyun"], "春耕要点", "511402")
    client = reviewer(app, "511400")
    assert browse(app).get(f"/notes/{note}").status_code == 404
    assert "春耕要点" in client.get("/review").text
    answer = client.submit(f"/review/{note}", {"decision": "release"}, follow_redirects=True)
    assert "已通过并公开：春耕要点" in answer.text
    assert browse(app).get(f"/notes/{note}").status_code == 200
    assert "没有待审内容" in client.get("/review").text


def test_a_text_is_sent_back_only_with_a_reason(app: Flask) -> None:
    note = submit_note(app.extensions["keyun"], "无来源", "511402")
    client = reviewer(app, "510000")
    answer = client.submit(f"/review/{note}", {"decision": "reject", "reason": "  "})
    assert answer.status_code == 422
    assert "请写明退回原因。" in answer.text
    assert 'aria-describedby="reason-error"' in answer.text
    assert client.submit(f"/review/{note}", {"decision": "reject", "reason": "请注明来源"}).status_code == 303
    assert client.submit(f"/review/{note}", {"decision": "release"}).status_code == 409
    assert browse(app).get(f"/notes/{note}").status_code == 404


def test_the_queue_of_another_region_is_invisible(app: Flask) -> None:
    site = app.extensions["keyun"]
    here, there = submit_note(site, "本地", "511402"), submit_note(site, "外地", "510104")
    client = reviewer(app, "511400")
    page = client.get("/review").text
    assert "本地" in page
    assert "外地" not in page
    assert client.submit(f"/review/{there}", {"decision": "release"}).status_code == 404
    assert client.submit(f"/review/{here}", {"decision": "release"}).status_code == 303
    assert browse(app).get(f"/notes/{there}").status_code == 404


def test_many_texts_elsewhere_do_not_hide_the_ones_here(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyun.web.review.MOST", 2)
    site = app.extensions["keyun"]
    for n in range(4):
        submit_note(site, f"外地{n}", "510104")
    submit_note(site, "本地", "511402")
    assert "本地" in reviewer(app, "511402").get("/review").text


def test_the_queue_shows_a_script_as_text(app: Flask) -> None:
    submit_note(app.extensions["keyun"], "<script>alert(1)</script>", "511402")
    page = reviewer(app, "511402").get("/review").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
