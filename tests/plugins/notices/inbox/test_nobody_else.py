"""Nobody opens what was not addressed to him: not by page, API, attachment or a guessed id."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from flask import Flask

from keyun.accounts import User, create_token
from keyun.testing import Browser, MakeApp, browse
from keyun_notices.publishing.files import keep

Push = Any
PDF = b"%PDF-1.7\nhello"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def app(town: Push, make_app: MakeApp) -> Flask:
    """The web application of the town."""
    return make_app(site=town.site)


def browser(town: Push, app: Flask, login: str) -> Browser:
    """The browser of ``login``."""
    client = browse(app)
    client.log_in(town.reading(lambda u: u.session.get_one(User, town.people[login])))
    return client


def with_file(town: Push, **values: Any) -> tuple[str, str]:
    """Publish a notice with a file; returns the public ids of both."""
    from keyun.access import system
    from keyun_notices.publishing.models import Attachment

    kept = town.reading(lambda u: keep(system(), u, "指南.pdf", PDF))
    notice = town.publish("n1", body="**内容**只给本市", attachments=(kept,), **values)
    file = town.reading(lambda u: u.session.query(Attachment).filter_by(notice_id=notice.id).one())
    return notice.public_id, file.public_id


def addresses(notice: str, file: str) -> list[tuple[str, str]]:
    """Every address of one notice: method and path."""
    return [
        ("GET", f"/notices/inbox/{notice}"),
        ("POST", f"/notices/inbox/{notice}/acted"),
        ("GET", f"/notices/inbox/{notice}/files/{file}"),
        ("GET", f"/api/v1/notices/inbox/{notice}"),
        ("POST", f"/api/v1/notices/inbox/{notice}/open"),
        ("POST", f"/api/v1/notices/inbox/{notice}/acted"),
    ]


def ask(client: Browser, method: str, path: str) -> Any:
    """The answer to a request with the CSRF token that a page has."""
    if method == "GET":
        return client.get(path)
    return client.post(
        path, data={"csrf_token": client.csrf_token()}, headers={"X-CSRFToken": client.csrf_token()}
    )


def bare(answer: Any) -> str:
    """What an answer says, without the ids that were asked for and the number of the request."""
    return re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16}|value=\"[^\"]{40,}\"",
        "",
        answer.get_data(as_text=True),
    )


def test_who_was_addressed_opens_it_by_every_address(town: Push, app: Flask) -> None:
    ids = with_file(town)
    client = browser(town, app, "an")
    for method, path in addresses(*ids):
        assert ask(client, method, path).status_code in (200, 303), path
    answer = client.get(f"/notices/inbox/{ids[0]}/files/{ids[1]}")
    assert answer.data == PDF and answer.mimetype == "application/pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.headers["Cache-Control"]


def test_nobody_else_opens_it_and_it_looks_like_nothing(town: Push, app: Flask) -> None:
    ids = with_file(town)
    client = browser(town, app, "du")
    for (method, path), (_, missing) in zip(addresses(*ids), addresses(UNKNOWN, UNKNOWN), strict=True):
        answer, nothing = ask(client, method, path), ask(client, method, missing)
        assert answer.status_code == nothing.status_code == 404, path
        assert "内容" not in answer.get_data(as_text=True)
        # The same answer as for an id that nobody ever had.
        assert bare(answer) == bare(nothing)
    assert "n1" not in client.get("/notices/").get_data(as_text=True)
    assert client.get("/api/v1/notices/inbox").json == {"items": [], "next": None, "unread": 0}


def test_visitors_are_asked_to_log_in(town: Push, app: Flask) -> None:
    ids = with_file(town)
    for _, path in addresses(*ids)[::2]:
        assert browse(app).get(path).status_code in (303, 401, 403, 405)
    assert browse(app).get("/notices/").status_code == 303


def test_a_file_of_another_notice_is_not_to_be_had_through_ones_own(town: Push, app: Flask) -> None:
    _, file = with_file(town, regions=("510185",))
    own = town.publish("own").public_id
    client = browser(town, app, "an")
    assert client.get(f"/notices/inbox/{own}").status_code == 200
    assert client.get(f"/notices/inbox/{own}/files/{file}").status_code == 404


def test_a_notice_that_waits_is_not_there_yet(town: Push, app: Flask) -> None:
    ids = with_file(town, starts_at=town.clock() + dt.timedelta(hours=1))
    client = browser(town, app, "an")
    assert {ask(client, m, p).status_code for m, p in addresses(*ids)} == {404}
    town.work(hours=1)
    assert client.get(f"/notices/inbox/{ids[0]}").status_code == 200


def test_one_that_was_cancelled_before_anybody_saw_it_never_is(town: Push, app: Flask) -> None:
    town.cancel("n1")
    ids = with_file(town)
    client = browser(town, app, "an")
    assert {ask(client, m, p).status_code for m, p in addresses(*ids)} == {404}


def test_who_meets_it_only_now_loses_it_with_the_end(town: Push, app: Flask) -> None:
    ids = with_file(town, expires_at=town.clock() + dt.timedelta(hours=1))
    town.change("du", region="511424")
    client, old = browser(town, app, "du"), browser(town, app, "an")
    assert client.get(f"/notices/inbox/{ids[0]}").status_code == 200
    town.clock.tick(dt.timedelta(hours=2))
    assert {ask(client, m, p).status_code for m, p in addresses(*ids)} == {404}
    page = old.get(f"/notices/inbox/{ids[0]}").get_data(as_text=True)
    assert "已过有效期" in page


def test_a_key_for_programs_opens_what_its_holder_may_and_no_more(town: Push, app: Flask) -> None:
    ids = with_file(town)

    def headers(login: str) -> dict[str, str]:
        def make(unit: Any) -> str:
            user = unit.session.get_one(User, town.people[login])
            return create_token(town.actor(login), unit, user, "test")

        return {"Authorization": f"Bearer {town.writing(make)}"}

    for login, status in (("an", 200), ("du", 404)):
        client, key = browse(app), headers(login)
        assert client.get(f"/api/v1/notices/inbox/{ids[0]}", headers=key).status_code == status
        assert client.get(f"/notices/inbox/{ids[0]}/files/{ids[1]}", headers=key).status_code == status
    said = browse(app).get(f"/api/v1/notices/inbox/{ids[0]}", headers=headers("an")).json
    assert said is not None
    assert said["attachments"][0]["address"] == f"/notices/inbox/{ids[0]}/files/{ids[1]}"
    assert said["attachments"][0]["sha256"]


def test_staff_see_what_they_sent_among_the_sent_and_not_in_their_inbox(town: Push, app: Flask) -> None:
    notice = town.publish(by=town.actor("staff"), regions=("511424",))
    client = browser(town, app, "staff")
    assert client.get(f"/notices/inbox/{notice.public_id}").status_code == 404
    assert client.get(f"/api/v1/notices/{notice.public_id}").status_code == 200
    assert browser(town, app, "an").get(f"/api/v1/notices/{notice.public_id}").status_code == 403
