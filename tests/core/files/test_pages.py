"""Files over HTTP: who sees them, as what, and how they are brought and taken off."""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from keyun.access import system
from keyun.accounts import User, create_token
from keyun.content import Content, find, withdraw
from keyun.files.store import store
from keyun.testing import Browser, browse, make_user
from keyun.testing.clock import Clock
from keyun.testing.makers import MakeApp
from tests.core.files.conftest import PDF, Shelf, picture


@pytest.fixture
def app(shelf: Shelf, make_app: MakeApp) -> Flask:
    return make_app(site=shelf.site)


@pytest.fixture
def editor(app: Flask, shelf: Shelf) -> Browser:
    client = browse(app)
    client.log_in(shelf.user)
    return client


def upload(client: Browser, shelf: Shelf, content: bytes, name: str = "叶.jpg", **words: str) -> Any:
    token = {"csrf_token": client.csrf_token()}
    values = {"file": FileStorage(io.BytesIO(content), name), "alt": "一片黄叶", "credit": ""} | words | token
    boundary, body = encode_multipart(values)
    kind = f'multipart/form-data; boundary="{boundary}"'
    return client.post(f"/files/of/{shelf.item}", data=body, content_type=kind)


def test_an_editor_brings_a_picture_that_everybody_sees(app: Flask, editor: Browser, shelf: Shelf) -> None:
    assert f"/files/of/{shelf.item}" in editor.get(f"/popsci/{shelf.item}/edit").text
    assert upload(editor, shelf, picture(size=(800, 600)), credit="演示 CC BY 4.0").status_code == 303
    page = browse(app).get(f"/popsci/{shelf.item}").text
    assert 'alt="一片黄叶"' in page and "演示 CC BY 4.0" in page and 'width="800" height="600"' in page
    small, whole = re.findall(r'(?:src|href)="(/files/[0-9a-f-]{36}(?:/web)?)"', page)[::-1]
    for address in (whole, small):
        answer = browse(app).get(address)
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
        assert len(answer.data) == answer.content_length
    shelf.work()
    before, answer = answer.headers["ETag"], browse(app).get(small)
    assert answer.headers["ETag"] != before, "the smaller picture is another file"


def test_a_file_is_data_and_no_page(app: Flask, editor: Browser, shelf: Shelf) -> None:
    upload(editor, shelf, PDF, "说明.exe", alt="")
    found = shelf.files()[0]
    answer = browse(app).get(f"/files/{found.public_id}")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%E8%AF%B4%E6%98%8E.pdf"
    assert answer.headers["Cache-Control"] == "public, max-age=604800"
    tag = answer.headers["ETag"]
    again = browse(app).get(f"/files/{found.public_id}", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert browse(app).head(f"/files/{found.public_id}").data == b""


def test_a_file_is_seen_like_its_item(app: Flask, editor: Browser, shelf: Shelf) -> None:
    upload(editor, shelf, PDF, alt="")
    address = f"/files/{shelf.files()[0].public_id}"
    assert browse(app).get(address).status_code == 200
    with shelf.site.writing() as unit:
        withdraw(shelf.editor, unit, find(shelf.editor, unit, Content, shelf.item))
    assert browse(app).get(address).status_code == 404
    answer = editor.get(address)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_no_cache_keeps_what_has_run_out(editor: Browser, shelf: Shelf, clock: Clock) -> None:
    upload(editor, shelf, PDF, alt="")
    address = f"/files/{shelf.files()[0].public_id}"
    with shelf.site.writing() as unit:
        find(system(), unit, Content, shelf.item).expires_at = clock.now + dt.timedelta(hours=1)
    assert editor.get(address).headers["Cache-Control"] == "public, max-age=3600"
    clock.now += dt.timedelta(hours=1)
    assert editor.get(address).headers["Cache-Control"] == "no-store"


def test_a_refused_file_is_told_beside_its_field(editor: Browser, shelf: Shelf) -> None:
    for content, words, field in (
        (b"<html>", {}, "file"),
        (b"", {}, "file"),
        (picture(), {"alt": " ", "credit": "某人"}, "alt"),
    ):
        answer = upload(editor, shelf, content, **words)
        assert answer.status_code == 422 and f'id="{field}-error"' in answer.text
    assert 'value="某人"' in answer.text
    assert editor.submit(f"/files/of/{shelf.item}", {"alt": "图"}).status_code == 422
    assert shelf.files() == []


def test_a_request_that_is_too_long_is_not_read(editor: Browser, shelf: Shelf) -> None:
    assert upload(editor, shelf, b"\xff\xd8\xff" + b"\0" * 40_000_000).status_code == 413
    assert upload(editor, shelf, b"\xff\xd8\xff" + b"\0" * 15_000_000).status_code == 422
    assert shelf.files() == [] and shelf.lying() == set()


def test_words_are_changed_and_files_taken_off(app: Flask, editor: Browser, shelf: Shelf) -> None:
    upload(editor, shelf, picture())
    number = shelf.files()[0].public_id
    assert editor.submit(f"/files/{number}/words", {"alt": "", "credit": ""}).status_code == 422
    assert editor.submit(f"/files/{number}/words", {"alt": "<b>", "credit": "<i>"}).status_code == 303
    page = browse(app).get(f"/popsci/{shelf.item}").text
    assert "&lt;b&gt;" in page and "<i>" not in page
    assert editor.submit(f"/files/{number}/remove").status_code == 303
    assert shelf.files() == [] and browse(app).get(f"/files/{number}").status_code == 404


def test_others_do_nothing(app: Flask, editor: Browser, shelf: Shelf) -> None:
    upload(editor, shelf, picture())
    number, stranger = shelf.files()[0].public_id, browse(app)
    assert stranger.get(f"/files/of/{shelf.item}").location.startswith("/login")
    with shelf.site.writing() as unit:
        stranger.log_in(make_user(unit, "stranger", level=2))
    assert stranger.get(f"/files/of/{shelf.item}").status_code == 403
    assert upload(stranger, shelf, picture()).status_code == 403
    assert stranger.submit(f"/files/{number}/words", {"alt": "图"}).status_code == 403
    assert stranger.submit(f"/files/{number}/remove").status_code == 403
    assert len(shelf.files()) == 1 and shelf.files()[0].alt == "一片黄叶"


def test_a_missing_file_is_not_found(app: Flask, editor: Browser, shelf: Shelf) -> None:
    upload(editor, shelf, PDF, alt="")
    found = shelf.files()[0]
    store(shelf.site.runtime).remove(found.digest)
    assert browse(app).get(f"/files/{found.public_id}").status_code == 404


def test_programs_bring_list_and_take_off(app: Flask, shelf: Shelf) -> None:
    with shelf.site.writing() as unit:
        user = unit.session.get_one(User, shelf.editor.user_id)
        headers = {"Authorization": f"Bearer {create_token(system(), unit, user, 'test')}"}
    client, place = browse(app), f"/api/v1/content/{shelf.item}/files"

    def send(content: bytes, query: str) -> Any:
        binary = "application/octet-stream"
        return client.post(f"{place}?{query}", data=content, content_type=binary, headers=headers)

    answer = send(picture(), "name=leaf.png&alt=黄叶")
    assert (
        answer.status_code == 200
        and answer.json["kind"] == "image/jpeg"
        and answer.json["name"] == "leaf.jpg"
    )
    assert send(b"<html>", "name=a.jpg").status_code == 422
    assert send(picture(), "name=a.jpg").json["errors"].keys() == {"alt"}
    assert send(b"\0" * 30_000_000, "name=a.jpg").status_code == 413
    assert client.post(f"{place}?name=a.jpg", data=PDF).status_code == 401
    listed = browse(app).get(place).get_json()["items"]
    assert [i["name"] for i in listed] == ["leaf.jpg"]
    assert browse(app).get(listed[0]["file"]).status_code == 200
    left = client.delete(f"/api/v1/files/{listed[0]['id']}", headers=headers)
    assert (left.status_code, left.json) == (200, {"items": []})
