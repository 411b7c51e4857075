"""Claims, hand-overs, conversation, the queue, reminders, and how reviews follow their items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from keyun.access import Actor, system
from keyun.accounts import User
from keyun.accounts.personal import erase, uncovered
from keyun.accounts.services import deactivate_user
from keyun.content import Content, change, find, publish, take_in, withdraw
from keyun.content.services import expire
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.migrate import CORE, Migrator
from keyun.plugins.manifest import installed
from keyun.reviews.decisions import decide
from keyun.reviews.jobs import remind
from keyun.reviews.models import MAX_COMMENTS, Review, ReviewComment, ReviewVerdict
from keyun.reviews.queue import Wanted, count_waiting, own, queue
from keyun.reviews.rights import colleagues
from keyun.reviews.services import claim, comment, conversation, find_review, give_back, hand_over
from keyun.testing.clock import Clock
from keyun.testing.makers import MakeSite
from tests.core.reviews.conftest import ARTICLE, CONFIG, FORM, Desk


def waiting(desk: Desk, who: Actor, **wanted: object) -> list[str]:
    with desk.site.reading() as unit:
        found = queue(who, unit, Wanted(**wanted))  # type: ignore[arg-type]
        return [e.review.public_id for e in found.items]


def act(
    desk: Desk, verb: Callable[..., object], who: Actor, number: str, *more: object, **named: object
) -> None:
    with desk.site.writing() as unit:
        verb(who, unit, find_review(who, unit, number)[0], *more, **named)


# Claims ---------------------------------------------------------------------------------------------------


def test_a_claimed_review_is_decided_by_whoever_has_it(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author)
    act(desk, claim, one, number)
    for verb, more in ((decide, ("approve",)), (claim, ()), (give_back, ())):
        with pytest.raises(Conflict, match="别人处理中"):
            act(desk, verb, other, number, *more)
    assert waiting(desk, other, unclaimed=True) == [] and waiting(desk, one, mine=True) == [number]
    act(desk, give_back, one, number)
    assert waiting(desk, other, unclaimed=True) == [number]
    act(desk, decide, other, number, "approve")
    assert desk.review(number).reviewer_id is None


def test_a_review_is_taken_over_or_handed_over(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author)
    act(desk, claim, one, number)
    act(desk, claim, other, number, take_over=True)
    assert waiting(desk, other, mine=True) == [number]
    with pytest.raises(Invalid, match="不能审核"):
        act(desk, hand_over, other, number, author)
    with desk.site.reading() as unit:
        review, item = find_review(other, unit, number)
        assert [u.login for u in colleagues(other, unit, review, item)] == ["one"]
    act(desk, hand_over, other, number, one)
    assert waiting(desk, one, mine=True) == [number]
    assert desk.told() == [(one.user_id, "core.review-handed-over")]


def test_an_author_claims_nothing_of_his_own(desk: Desk) -> None:
    both = desk.person("both", ("editor", "511400"), ("admin", "511400"))
    with pytest.raises(Forbidden):
        act(desk, claim, both, desk.submit(both))


def test_the_claims_of_a_closed_account_are_free(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    closed, erased = desk.submit(author), desk.submit(author)
    gone = desk.person("gone", ("reviewer", "511400"))
    act(desk, claim, one, closed)
    act(desk, claim, gone, erased)
    with desk.site.writing() as unit:
        deactivate_user(system(), unit, unit.session.get_one(User, one.user_id))
        erase(system(), unit, unit.session.get_one(User, gone.user_id))
    assert waiting(desk, other, unclaimed=True) == [closed, erased]
    act(desk, claim, other, closed)
    act(desk, decide, other, erased, "approve")
    assert desk.item(erased).state == "published"


# Conversation ---------------------------------------------------------------------------------------------


def test_each_side_hears_of_the_words_of_the_other(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author)
    act(desk, claim, one, number)
    act(desk, comment, one, number, "数字从哪里来？")
    act(desk, comment, author, number, "第 12 页。")
    act(desk, comment, other, number, "我也看过了。")
    assert desk.told() == [
        (author.user_id, "core.review-commented"),
        (one.user_id, "core.review-commented"),
        (author.user_id, "core.review-commented"),
    ]
    act(desk, decide, one, number, "changes", "请写明页码")
    with desk.site.reading() as unit:
        review, item = find_review(author, unit, number)
        said = conversation(author, unit, review, item)
    assert [(r.kind, r.side, r.text) for r in said] == [
        ("comment", "reviewer", "数字从哪里来？"),
        ("comment", "author", "第 12 页。"),
        ("comment", "reviewer", "我也看过了。"),
        ("changes", "reviewer", "请写明页码"),
    ]


@pytest.mark.parametrize("text", ["", "  \n", "长" * 2001])
def test_words_are_bounded(desk: Desk, author: Actor, text: str) -> None:
    number = desk.submit(author)
    with pytest.raises(Invalid):
        act(desk, comment, author, number, text)


def test_a_conversation_ends_with_its_review_or_when_it_is_full(desk: Desk, author: Actor) -> None:
    (one,) = desk.reviewers("one")
    full, done = desk.submit(author), desk.submit(author)
    with desk.site.writing() as unit:
        unit.session.execute(sa.update(Review).values(comments=MAX_COMMENTS - 1))
    act(desk, comment, author, full, "最后一句")
    with pytest.raises(Conflict, match="已满"):
        act(desk, comment, author, full, "再说一句")
    act(desk, decide, one, done, "approve")
    with pytest.raises(Conflict, match="待审"):
        act(desk, comment, author, done, "谢谢")


def test_a_stranger_neither_reads_nor_speaks(desk: Desk, author: Actor) -> None:
    number = desk.submit(author)
    (elsewhere,) = desk.reviewers("elsewhere", region="510100")
    for who in (elsewhere, desk.person("stranger")):
        with pytest.raises(NotFound), desk.site.reading() as unit:
            find_review(who, unit, number)
    with pytest.raises(NotFound), desk.site.reading() as unit:
        find_review(author, unit, "no-such-number")


def test_what_somebody_said_is_forgotten_with_him(desk: Desk, author: Actor) -> None:
    one, _other = desk.reviewers("one", "other")
    number = desk.submit(author)
    act(desk, comment, one, number, "我的电话是 028-00000000")
    act(desk, decide, one, number, "changes", "请改")
    assert uncovered(Review, ReviewComment, ReviewVerdict) == []
    with desk.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, one.user_id))
    with desk.site.reading() as unit:
        review, item = find_review(author, unit, number)
        said = conversation(author, unit, review, item)
    assert [(r.kind, r.text, r.user) for r in said] == [("comment", "", None), ("changes", "请改", None)]


# The queue ------------------------------------------------------------------------------------------------


def test_the_queue_is_that_of_ones_regions_and_role(desk: Desk, author: Actor) -> None:
    (here,) = desk.reviewers("here")
    (there,) = desk.reviewers("there", region="510100")
    staff, admin = desk.person("staff", ("staff", "511400")), desk.person("boss", ("admin", "510000"))
    number, special = desk.submit(author), desk.submit(author)
    with desk.site.writing() as unit:
        only = sa.update(Review).where(Review.public_id == special).values(role="staff")
        unit.session.execute(only)
    assert waiting(desk, there) == []
    assert waiting(desk, here) == [number]
    assert waiting(desk, staff) == waiting(desk, admin) == [number, special]
    with pytest.raises(Forbidden, match="指定角色"):
        act(desk, decide, here, special, "approve")
    with pytest.raises(Forbidden):
        waiting(desk, author)


def test_filters_narrow_the_queue_down_and_pages_follow_each_other(
    desk: Desk, author: Actor, clock: Clock
) -> None:
    (who,) = desk.reviewers("who", region="510000")
    early = desk.submit(author)
    clock.tick(dt.timedelta(hours=30))
    urgent = desk.submit(author, category="safety")
    late = desk.submit(author, region="511421")
    assert waiting(desk, who) == [early, urgent, late]
    assert waiting(desk, who, region="511421") == [late]
    assert waiting(desk, who, type=ARTICLE) == [early, urgent, late]
    clock.tick(dt.timedelta(hours=19))
    assert waiting(desk, who, overdue=True) == [early]
    with desk.site.reading() as unit:
        first = queue(who, unit, Wanted(), limit=2)
        rest = queue(who, unit, Wanted(), first.next, 2)
    assert [e.review.public_id for e in (*first.items, *rest.items)] == [early, urgent, late]
    assert rest.next is None


def test_the_numbers_of_the_admin_area_are_those_of_the_queue(
    desk: Desk, author: Actor, clock: Clock
) -> None:
    (who,) = desk.reviewers("who")
    desk.submit(author), desk.submit(author, category="health")
    clock.tick(dt.timedelta(hours=25))
    with desk.site.reading() as unit:
        assert [(w.type, w.region, w.count) for w in count_waiting(who, unit)] == [(ARTICLE, "511402", 2)]
        assert [w.count for w in count_waiting(who, unit, late=True)] == [1]


def test_authors_find_what_they_submitted(desk: Desk, author: Actor) -> None:
    numbers = [desk.submit(author) for _ in range(3)]
    desk.submit(desk.person("somebody", ("editor", "511400")))
    with desk.site.reading() as unit:
        first = own(author, unit, limit=2)
        rest = own(author, unit, first.next, 2)
        assert [e.review.public_id for e in (*first.items, *rest.items)] == numbers[::-1]


def test_reviewers_are_reminded_once(desk: Desk, author: Actor, clock: Clock) -> None:
    one, other = desk.reviewers("one", "other")
    claimed, free = desk.submit(author), desk.submit(author)
    act(desk, claim, one, claimed)

    def reminded() -> int:
        with desk.site.writing() as unit:
            return remind(unit)

    assert reminded() == 0
    clock.tick(dt.timedelta(hours=49))
    assert reminded() == 2
    assert reminded() == 0
    # One message each, whatever the number of texts.
    assert sorted(desk.told()) == sorted((w.user_id, "core.review-overdue") for w in (one, other))
    assert waiting(desk, other, overdue=True) == [claimed, free]


# How reviews follow their items ---------------------------------------------------------------------------


def test_an_item_that_leaves_closes_its_review(desk: Desk, author: Actor, clock: Clock) -> None:
    withdrawn, expired, returned = desk.submit(author), desk.submit(author), desk.submit(author)
    (one,) = desk.reviewers("one")
    act(desk, claim, one, withdrawn)
    act(desk, decide, one, returned, "changes", "请改")
    with desk.site.writing() as unit:
        find(author, unit, Content, desk.item(expired).public_id).expires_at = clock.now
        for number in (withdrawn, returned):
            withdraw(author, unit, find(author, unit, Content, desk.item(number).public_id))
    with desk.site.writing() as unit:
        assert expire(system(), unit) == 1
    assert {desk.review(n).state for n in (withdrawn, expired, returned)} == {"closed"}
    assert waiting(desk, one) == [] and desk.review(withdrawn).reviewer_id is None


def test_a_public_item_that_is_changed_waits_again_and_so_does_the_next_author(
    desk: Desk, author: Actor
) -> None:
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    act(desk, decide, one, number, "approve")
    item = desk.item(number).public_id
    with desk.site.writing() as unit:
        assert change(author, unit, find(author, unit, Content, item), {"body": "新的"}).state == "submitted"
    (again,) = waiting(desk, one)
    assert again != number
    # The base is what the public read, however often the new text is changed before it is approved.
    base = desk.review(again).base_version
    with desk.site.writing() as unit:
        change(author, unit, find(author, unit, Content, item), {"body": "更新的"})
    assert desk.review(again).base_version == base is not None


def test_what_an_import_brings_waits_when_it_is_held(make_site: MakeSite) -> None:
    desk = Desk(make_site("popsci", config=CONFIG))
    admin, other = desk.person("admin", ("admin", "100000")), desk.person("other", ("admin", "100000"))
    rows = [(n, FORM | {"external_id": f"a{n}", "category": "health"}) for n in (1, 2)]
    with desk.site.writing() as unit:
        assert take_in(admin, unit, desk.site.types[ARTICLE], rows).created == 2
    found = waiting(desk, other)
    assert len(found) == 2
    with pytest.raises(Forbidden, match="自己写的"):
        act(desk, decide, admin, found[0], "approve")
    rows = [(1, {**rows[0][1], "body": "另一版"})]
    with desk.site.writing() as unit:
        take_in(admin, unit, desk.site.types[ARTICLE], rows)
    assert waiting(desk, other) == found
    assert desk.review(found[0]).version == desk.item(found[0]).version


def test_the_operator_answers_for_a_file_that_he_imports(desk: Desk) -> None:
    with desk.site.writing() as unit:
        row = FORM | {"external_id": "a1", "category": "health"}
        take_in(system(), unit, desk.site.types[ARTICLE], [(1, row)])
        assert unit.session.query(Content).one().state == "published"


def test_publishing_without_a_rule_ends_the_question(make_site: MakeSite) -> None:
    desk = Desk(make_site("popsci", config=CONFIG))
    author = desk.person("author", ("editor", "511400"))
    number = desk.submit(author)
    lax = make_site(instance=desk.site.runtime.instance)
    lax.runtime.config.content["review"].clear()
    with lax.writing() as unit:
        publish(author, unit, find(author, unit, Content, desk.item(number).public_id))
    assert (desk.item(number).state, desk.review(number).state) == ("published", "closed")


def test_what_waited_before_there_were_reviews_gets_one(desk: Desk, author: Actor) -> None:
    number = desk.submit(author)
    item = desk.item(number)
    migrator = Migrator(desk.site.runtime.engine, installed()[0])
    migrator.downgrade(CORE, "0003")
    migrator.upgrade(CORE)
    (one,) = desk.reviewers("one")
    (again,) = waiting(desk, one)
    found = desk.review(again)
    assert (found.content_id, found.version, found.asked_by_id) == (item.id, item.version, author.user_id)
    act(desk, decide, one, again, "approve")
    assert desk.item(again).state == "published"
