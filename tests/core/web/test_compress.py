"""What travels compressed, what must not, and how much a first visit weighs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from keyun.testing import Browser, browse, make_user

MakeApp = Callable[..., Flask]
PLUGINS = ("marketplace", "popsci", "emergency", "bayu_bridge")
HOME_BYTES = 60 * 1024
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def wire_bytes(answer: TestResponse) -> int:
    """The length of an answer as it travels: its first line, its headers and its body."""
    head = sum(len(name) + len(value) + 4 for name, value in answer.headers)
    return len(f"HTTP/1.1 {answer.status}\r\n") + head + 2 + len(answer.data)


@pytest.fixture
def member(make_app: MakeApp) -> Browser:
    """Somebody who is logged in."""
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit))
    return client


@on_sqlite
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_home_page_and_its_style_weigh_less_than_sixty_kilobytes(
    make_app: MakeApp, language: str
) -> None:
    client = browse(make_app(*PLUGINS))
    home = client.get(f"/?lang={language}", headers=GZIP)
    text = gzip.decompress(home.data).decode()
    styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)
    assert styles
    total = wire_bytes(home) + sum(wire_bytes(client.get(s, headers=GZIP)) for s in styles)
    assert total <= HOME_BYTES, f"{total} bytes"


@on_sqlite
def test_an_answer_is_the_same_with_and_without_compression(make_app: MakeApp) -> None:
    client = browse(make_app())
    for address in ("/search", "/static/keyun/keyun.css", "/api/v1/openapi.json", "/nowhere"):
        plain, packed = client.get(address), client.get(address, headers=GZIP)
        assert packed.headers["Content-Encoding"] == "gzip", address
        assert "Content-Encoding" not in plain.headers
        assert "Accept-Encoding" in plain.vary, "a cache must keep the two apart"
        hide = re.compile(rb"<code>[0-9a-f]{16}</code>")
        assert hide.sub(b"", gzip.decompress(packed.data)) == hide.sub(b"", plain.data), address
        assert int(packed.headers["Content-Length"]) == len(packed.data)


@on_sqlite
def test_a_file_that_the_browser_has_is_not_sent_again(make_app: MakeApp) -> None:
    client = browse(make_app())
    tag = client.get("/static/keyun/keyun.css", headers=GZIP).headers["ETag"]
    again = client.get("/static/keyun/keyun.css", headers=GZIP | {"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


@on_sqlite
@pytest.mark.parametrize(
    ("says", "packed"),
    [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False), (None, False)],
)
def test_a_page_with_a_secret_is_compressed_only_when_this_site_asks(
    member: Browser, says: str | None, packed: bool
) -> None:
    headers = GZIP | ({"Sec-Fetch-Site": says} if says else {})
    assert ("Content-Encoding" in member.get("/account", headers=headers).headers) is packed
    assert "Content-Encoding" in member.get("/static/keyun/keyun.css", headers=headers).headers


@on_sqlite
def test_a_small_answer_and_a_program_that_cannot_unpack_get_it_plain(make_app: MakeApp) -> None:
    client = browse(make_app())
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers
    refuses = {"Accept-Encoding": "gzip;q=0, identity"}
    assert "Content-Encoding" not in client.get("/search", headers=refuses).headers
