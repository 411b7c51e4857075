"""Reviews for programs: the same rules, in JSON, without names."""

from __future__ import annotations

from typing import Any

import pytest

from keyun.access import Actor, system
from keyun.accounts import User, create_token
from keyun.testing import browse
from keyun.testing.makers import MakeApp
from tests.core.reviews.conftest import Desk

ROOT = "/api/v1/reviews"


@pytest.fixture
def ask(desk: Desk, make_app: MakeApp) -> Any:
    """``ask(who, "GET", path, body)`` with the key of somebody: status and document."""
    app = make_app(site=desk.site)

    def send(who: Actor | None, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        headers = {}
        if who is not None:
            with desk.site.writing() as unit:
                key = create_token(system(), unit, unit.session.get_one(User, who.user_id), "test")
            headers["Authorization"] = f"Bearer {key}"
        answer = browse(app).open(f"{ROOT}{path}", method=method, json=body, headers=headers)
        return answer.status_code, answer.get_json()

    return send


def test_a_program_reads_the_queue_and_decides(desk: Desk, author: Actor, ask: Any) -> None:
    (rita,) = desk.reviewers("rita")
    number = desk.submit(author)
    status, found = ask(rita, "GET", "?overdue=false&region=511402")
    assert status == 200 and found["next"] is None
    (one,) = found["items"]
    assert (one["id"], one["claimed"], one["needed"], one["item"]["state"]) == (
        number,
        "nobody",
        1,
        "submitted",
    )
    assert ask(rita, "POST", f"/{number}/claim", {})[1]["claimed"] == "self"
    assert ask(author, "POST", f"/{number}/comments", {"text": "请快一点"})[0] == 200
    status, whole = ask(rita, "GET", f"/{number}")
    assert [r["text"] for r in whole["remarks"]] == ["请快一点"]
    assert {c["outcome"] for c in whole["checks"]} == {"pass"}
    assert "author" not in str(whole["remarks"][0].get("user", ""))
    decision = {"verdict": "approve", "version": whole["version"]}
    assert ask(rita, "POST", f"/{number}/decisions", decision | {"version": 99})[0] == 409
    assert ask(rita, "POST", f"/{number}/decisions", {"verdict": "reject", "version": 1})[0] == 422
    status, whole = ask(rita, "POST", f"/{number}/decisions", decision)
    assert (status, whole["state"], whole["item"]["state"]) == (200, "approved", "published")
    assert ask(rita, "POST", f"/{number}/reopen", {"reason": "有误"})[1]["state"] == "open"


def test_an_author_sees_his_own_and_decides_nothing(desk: Desk, author: Actor, ask: Any) -> None:
    number = desk.submit(author)
    assert [r["id"] for r in ask(author, "GET", "?scope=own")[1]["items"]] == [number]
    assert ask(author, "GET")[0] == 403
    assert ask(author, "POST", f"/{number}/decisions", {"verdict": "approve", "version": 2})[0] == 403
    assert ask(author, "POST", f"/{number}/give-back")[0] == 403


def test_strangers_and_visitors_get_nothing(desk: Desk, author: Actor, ask: Any) -> None:
    number, stranger = desk.submit(author), desk.person("stranger")
    assert ask(stranger, "GET", f"/{number}")[0] == 404
    assert ask(None, "GET")[0] == ask(None, "GET", f"/{number}")[0] == 401
    assert ask(None, "POST", f"/{number}/comments", {"text": "字"})[0] == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("comments", {"text": ""}),
        ("comments", {"text": "\x00"}),
        ("comments", {"text": "长" * 2001}),
        ("decisions", {"verdict": "changes", "version": 2**40}),
        ("decisions", {"verdict": "burn", "version": 1}),
        ("decisions", {"verdict": "reject", "reason": "长" * 501, "version": 1}),
        ("reopen", {"reason": ""}),
    ],
)
def test_bad_bodies_are_refused_by_field(
    desk: Desk, author: Actor, ask: Any, path: str, body: dict[str, Any]
) -> None:
    (rita,) = desk.reviewers("rita")
    status, answer = ask(rita, "POST", f"/{desk.submit(author)}/{path}", body)
    assert status == 422 and set(answer["errors"]) <= set(body) | {"reason"}
