"""Ways around a reviewer, and around the locks: none of them leads anywhere."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.access import Actor, system
from keyun.accounts import User, actor_for
from keyun.content import Content, change, find, publish, take_in
from keyun.content.leaving import leave
from keyun.errors import ConfigError, Conflict, Forbidden, NotFound
from keyun.reviews.decisions import decide, reopen
from keyun.reviews.models import Review
from keyun.reviews.queue import Wanted, count_waiting, own, queue
from keyun.reviews.rights import colleagues
from keyun.reviews.services import comment, conversation, find_review
from keyun.testing import Browser, browse
from keyun.testing.makers import MakeApp, MakeSite
from tests.core.reviews.conftest import ARTICLE, FORM, Desk


@pytest.fixture
def lax(make_site: MakeSite) -> Desk:
    """A site without rules: only the screener of the plugin holds health topics."""
    return Desk(make_site("popsci"))


def judge(desk: Desk, who: Actor, number: str, verdict: str, **more: Any) -> None:
    with desk.site.writing() as unit:
        reason = "" if verdict == "approve" else "像广告"
        decide(who, unit, find_review(who, unit, number)[0], verdict, reason, **more)


def visit(app: Flask, desk: Desk, who: Actor) -> Browser:
    client = browse(app)
    with desk.site.reading() as unit:
        client.log_in(unit.session.get_one(User, who.user_id))
    return client


def dodge(desk: Desk, author: Actor, number: str) -> str:
    """Give the text another topic, which nobody holds, and publish; returns the state of the item."""
    with desk.site.writing() as unit:
        item = find(author, unit, Content, desk.item(number).public_id)
        change(author, unit, item, {"category": "agriculture"})
        return publish(author, unit, item).state


@pytest.mark.parametrize("verdict", ["changes", "reject"])
def test_what_a_reviewer_sent_back_is_not_published_past_him(lax: Desk, verdict: str) -> None:
    author, (one,) = lax.person("author", ("editor", "511400")), lax.reviewers("one")
    number = lax.submit(author, category="health")
    judge(lax, one, number, verdict)
    assert dodge(lax, author, number) == "submitted"
    with lax.site.reading() as unit:
        (waiting,) = queue(one, unit, Wanted()).items
    assert (waiting.review.public_id == number) is (verdict == "changes")
    judge(lax, one, waiting.review.public_id, "approve")
    assert lax.item(number).state == "published"


def test_what_is_reviewed_again_is_not_published_past_the_reviewer(lax: Desk) -> None:
    author, (one,) = lax.person("author", ("editor", "511400")), lax.reviewers("one")
    number = lax.submit(author, category="health")
    judge(lax, one, number, "approve")
    with lax.site.writing() as unit:
        reopen(one, unit, find_review(one, unit, number)[0], "读者指出数字有误")
    assert dodge(lax, author, number) == "submitted"
    assert lax.review(number).state == "open"


def test_a_rule_holds_what_a_person_imports(desk: Desk) -> None:
    admin, other = desk.person("admin", ("admin", "100000")), desk.person("other", ("admin", "100000"))
    with desk.site.writing() as unit:
        take_in(admin, unit, desk.site.types[ARTICLE], [(1, FORM | {"external_id": "a1"})])
    with desk.site.reading() as unit:
        (waiting,) = queue(other, unit, Wanted()).items
    assert waiting.item.state == "submitted" and waiting.item.note
    with pytest.raises(Forbidden, match="自己写的"):
        judge(desk, admin, waiting.review.public_id, "approve")


def test_a_text_written_beside_the_services_is_not_what_was_read(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    judge(desk, one, number, "approve")
    seen = desk.item(number).version
    with desk.site.writing() as unit:
        # As bulk imports of plugins do.
        table = Content.__table__
        unit.session.execute(sa.update(table).values(body="没人看过", version=table.c.version + 1))  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="已改动"):
        judge(desk, other, number, "approve", version=seen)
    judge(desk, other, number, "approve", version=desk.item(number).version)
    assert (desk.review(number).approvals, desk.item(number).state) == (1, "submitted")


def test_a_page_names_the_version_that_it_shows(desk: Desk, author: Actor, make_app: MakeApp) -> None:
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    with desk.site.writing() as unit:
        table = Content.__table__
        unit.session.execute(sa.update(table).values(body="另一版", version=table.c.version + 1))  # type: ignore[arg-type]
    client = visit(make_app(site=desk.site), desk, one)
    page = client.get(f"/review/{number}").text
    assert "另一版" in page and f'name="version" value="{desk.item(number).version}"' in page


def test_a_decision_on_an_item_that_is_gone_says_so(desk: Desk, author: Actor) -> None:
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    with desk.site.writing() as unit, pytest.raises(NotFound):
        review, _item = find_review(one, unit, number)
        unit.session.execute(sa.delete(Content.__table__))  # type: ignore[arg-type]
        decide(one, unit, review, "approve")


def test_whoever_leaves_locks_items_before_their_reviews(desk: Desk, author: Actor) -> None:
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    judge(desk, one, number, "approve")
    with desk.site.writing() as unit:
        assert change(
            author, unit, find(author, unit, Content, desk.item(number).public_id), {"body": "新"}
        ).state == ("submitted")
    said: list[str] = []
    with desk.site.writing() as unit:
        sa.event.listen(
            unit.session.connection(), "before_cursor_execute", lambda *given: said.append(given[2])
        )
        assert author.user_id is not None
        leave(unit, author.user_id)
    order = [s.split()[1] for s in said if s.startswith("UPDATE")]
    assert order == ["core_content", "core_review"]
    with desk.site.reading() as unit:
        assert set(unit.session.scalars(sa.select(Review.state))) == {"approved", "closed"}


def test_whoever_submitted_the_text_of_somebody_else_may_talk_of_it(
    desk: Desk, author: Actor, make_app: MakeApp
) -> None:
    (one,) = desk.reviewers("one")
    helper, stranger = desk.person("helper", ("editor", "511400")), desk.person("stranger")
    number = desk.submit(author)
    judge(desk, one, number, "approve")
    with desk.site.writing() as unit:
        item = find(helper, unit, Content, desk.item(number).public_id)
        assert change(helper, unit, item, {"body": "改正"}).state == "submitted"
    with desk.site.writing() as unit:
        (entry,) = own(helper, unit).items
        review, item = find_review(helper, unit, entry.review.public_id)
        assert comment(helper, unit, review, "只改了一个字").side == "author"
        assert [r.text for r in conversation(helper, unit, review, item)] == ["只改了一个字"]
        with pytest.raises(NotFound):
            find_review(stranger, unit, entry.review.public_id)
    client = visit(make_app(site=desk.site), desk, helper)
    page = client.get(f"/review/{entry.review.public_id}")
    assert page.status_code == 200 and f'"/popsci/{item.public_id}"' not in page.text


def test_colleagues_cost_the_same_whether_few_or_many(desk: Desk, author: Actor) -> None:
    people = desk.reviewers(*(f"r{n}" for n in range(12)))
    helper = desk.person("helper", ("editor", "511400"), ("reviewer", "511400"))
    number = desk.submit(author)
    with desk.site.writing() as unit:
        change(helper, unit, find(helper, unit, Content, desk.item(number).public_id), {"body": "改正"})
    said: list[str] = []
    with desk.site.reading() as unit:
        review, item = find_review(people[0], unit, number)
        sa.event.listen(
            unit.session.connection(), "before_cursor_execute", lambda *given: said.append(given[2])
        )
        found = {actor_for(u).login for u in colleagues(people[0], unit, review, item)}
    assert found == {f"r{n}" for n in range(1, 12)}, "neither oneself nor whoever wrote"
    assert len(said) <= 3


def test_an_item_whose_plugin_has_not_taken_it_over_is_not_found(desk: Desk, author: Actor) -> None:
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    item = desk.item(number).public_id
    with desk.site.writing() as unit:
        unit.session.execute(sa.text("DELETE FROM popsci_article"))
    with desk.site.reading() as unit:
        assert queue(one, unit, Wanted()).items == [] == list(count_waiting(one, unit))
        with pytest.raises(NotFound):
            find_review(one, unit, number)
        with pytest.raises(NotFound):
            find(system(), unit, Content, item)


def test_a_rule_names_only_a_role_that_reviews(make_site: MakeSite) -> None:
    rule = {"type": ARTICLE, "policy": "review-first", "reviewers": "editor"}
    with pytest.raises(ConfigError, match="reviewers"):
        make_site("popsci", config={"content": {"review": [rule]}})
