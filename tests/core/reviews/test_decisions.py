"""Who may decide, what counts, and what becomes of the item: one result, whoever is quickest."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from functools import partial

import pytest
import sqlalchemy as sa

from keyun.access import Actor, system
from keyun.content import change, find, publish, reject, release, withdraw
from keyun.content.models import Content
from keyun.errors import Conflict, Forbidden, Invalid
from keyun.events.models import Event
from keyun.reviews.decisions import decide, reopen
from keyun.reviews.models import Review, ReviewVerdict
from keyun.reviews.services import find_review
from keyun.testing.clock import Clock
from tests.core.reviews.conftest import FORM, Desk


def judge(
    desk: Desk, who: Actor, number: str, verdict: str = "approve", reason: str = "", **more: int
) -> str:
    """Decide as a page does; returns the state of the review."""
    with desk.site.writing() as unit:
        review, _item = find_review(who, unit, number)
        return decide(who, unit, review, verdict, reason, **more).state


def events(desk: Desk) -> list[str]:
    with desk.site.reading() as unit:
        names = sa.select(Event.name).where(Event.name.like("review.%")).order_by(Event.id)
        return list(unit.session.scalars(names))


def test_a_submission_opens_a_review_with_what_the_rules_ask(desk: Desk, author: Actor, clock: Clock) -> None:
    plain, health = desk.submit(author), desk.submit(author, category="health")
    found = desk.review(health)
    assert (found.needed, found.due_at - clock.now) == (2, dt.timedelta(hours=24))
    found = desk.review(plain)
    assert (found.state, found.needed, found.due_at - clock.now) == ("open", 1, dt.timedelta(hours=48))
    assert (found.version, found.asked_by_id) == (desk.item(plain).version, author.user_id)
    assert events(desk) == ["review.opened", "review.opened"]


def test_an_approval_makes_public_and_tells_the_author(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author)
    assert judge(desk, reviewer, number) == "approved"
    item = desk.item(number)
    assert item.state == "published" and item.reviewed_at is not None and item.note == ""
    assert desk.told() == [(author.user_id, "core.review-approved")]
    assert events(desk) == ["review.opened", "review.approved"]


@pytest.mark.parametrize("role", ["reviewer", "staff", "admin"])
def test_nobody_reviews_his_own_text(desk: Desk, role: str) -> None:
    both = desk.person("both", ("editor", "510000"), (role, "100000"))
    number = desk.submit(both)
    with pytest.raises(Forbidden, match="自己写的"):
        judge(desk, both, number)
    with pytest.raises(Forbidden, match="自己写的"), desk.site.writing() as unit:
        release(both, unit, find(both, unit, Content, desk.item(number).public_id))
    assert desk.item(number).state == "submitted"


def test_whoever_corrected_the_text_is_an_author_too(desk: Desk, author: Actor) -> None:
    helper = desk.person("helper", ("editor", "511400"), ("reviewer", "511400"))
    number = desk.submit(author)
    with desk.site.writing() as unit:
        change(helper, unit, find(helper, unit, Content, desk.item(number).public_id), {"summary": "看叶"})
    with pytest.raises(Forbidden, match="自己写的"):
        judge(desk, helper, number)


def test_two_approvals_are_those_of_two_people(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    assert judge(desk, one, number) == "open"
    assert desk.item(number).state == "submitted"
    with pytest.raises(Conflict, match="另一位"):
        judge(desk, one, number)
    assert desk.review(number).approvals == 1
    assert judge(desk, other, number) == "approved"
    assert desk.item(number).state == "published"


def test_whoever_approved_may_still_find_a_fault(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    judge(desk, one, number)
    assert judge(desk, one, number, "changes", "剂量写错了") == "returned"
    with pytest.raises(Conflict):
        judge(desk, other, number)


def test_a_new_text_takes_approvals_away(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    judge(desk, one, number)
    seen = desk.review(number).version
    with desk.site.writing() as unit:
        change(author, unit, find(author, unit, Content, desk.item(number).public_id), {"body": "另一种说法"})
    assert desk.review(number).approvals == 0
    with pytest.raises(Conflict, match="已改动"):
        judge(desk, other, number, version=seen)
    assert judge(desk, other, number) == "open"
    assert judge(desk, one, number) == "approved"


def test_a_text_that_was_returned_comes_back_to_the_same_review(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author)
    with pytest.raises(Invalid, match="退回原因"):
        judge(desk, reviewer, number, "changes", "  ")
    assert judge(desk, reviewer, number, "changes", "请补充来源") == "returned"
    item = desk.item(number)
    assert (item.state, item.note) == ("rejected", "请补充来源")
    with desk.site.writing() as unit:
        again = find(author, unit, Content, item.public_id)
        change(author, unit, again, {"source": "《柑橘植保》第二版"})
        publish(author, unit, again)
    found = desk.review(number)
    assert (found.state, found.version) == ("open", desk.item(number).version)
    assert judge(desk, reviewer, number) == "approved"


def test_a_rejected_text_that_is_submitted_anew_gets_a_review_of_its_own(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author)
    assert judge(desk, reviewer, number, "reject", "不属于科普") == "rejected"
    with desk.site.writing() as unit:
        publish(author, unit, find(author, unit, Content, desk.item(number).public_id))
        assert unit.session.query(Review).count() == 2
    assert desk.review(number).state == "rejected"


def test_a_decision_is_reopened_and_the_item_waits_again(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    judge(desk, one, number), judge(desk, other, number)
    with desk.site.writing() as unit:
        reopen(one, unit, find_review(one, unit, number)[0], "读者指出数字有误")
    assert desk.item(number).state == "submitted"
    assert (desk.review(number).state, desk.review(number).approvals) == ("open", 0)
    assert judge(desk, one, number) == "open"
    assert judge(desk, other, number) == "approved"


def test_an_author_cannot_reopen_and_an_item_that_moved_on_stays(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author)
    judge(desk, reviewer, number)
    with pytest.raises(Forbidden), desk.site.writing() as unit:
        reopen(author, unit, find_review(author, unit, number)[0], "再看看")
    with desk.site.writing() as unit:
        withdraw(author, unit, find(author, unit, Content, desk.item(number).public_id))
    with pytest.raises(Conflict), desk.site.writing() as unit:
        reopen(reviewer, unit, find_review(reviewer, unit, number)[0], "再看看")


def test_the_words_of_before_work_on_the_engine(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    first, second = desk.submit(author), desk.submit(author)
    with desk.site.writing() as unit:
        release(reviewer, unit, find(reviewer, unit, Content, desk.item(first).public_id))
        reject(reviewer, unit, find(reviewer, unit, Content, desk.item(second).public_id), "请注明出处")
    assert [desk.review(n).state for n in (first, second)] == ["approved", "rejected"]
    with pytest.raises(Conflict), desk.site.writing() as unit:
        release(reviewer, unit, find(reviewer, unit, Content, desk.item(first).public_id))


def test_what_has_run_out_cannot_be_approved(desk: Desk, author: Actor, clock: Clock) -> None:
    (reviewer,) = desk.reviewers("rita")
    number = desk.submit(author)
    with desk.site.writing() as unit:
        find(system(), unit, Content, desk.item(number).public_id).expires_at = clock.now
    with pytest.raises(Conflict, match="有效期"):
        judge(desk, reviewer, number)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What calls from as many threads at once return or raise."""
    found: list[object] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(place: int) -> None:
        barrier.wait()
        try:
            found[place] = calls[place]()
        except (Conflict, Forbidden) as e:
            found[place] = type(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


def test_two_reviewers_at_once_come_to_one_result(desk: Desk, author: Actor) -> None:
    people = desk.reviewers("one", "other", "third")
    for _ in range(3):
        number = desk.submit(author)
        answers = at_once(
            partial(judge, desk, people[0], number),
            partial(judge, desk, people[1], number, "reject", "不合适"),
            partial(judge, desk, people[2], number, "changes", "请改"),
        )
        assert answers.count(Conflict) == 2
        (state,) = [a for a in answers if a is not Conflict]
        assert desk.review(number).state == state
        assert desk.item(number).state == ("published" if state == "approved" else "rejected")
        with desk.site.reading() as unit:
            said = unit.session.query(ReviewVerdict).filter_by(review_id=desk.review(number).id).count()
        assert said == 1


def test_two_last_approvals_at_once_count_both(desk: Desk, author: Actor) -> None:
    one, other = desk.reviewers("one", "other")
    number = desk.submit(author, category="health")
    answers = at_once(lambda: judge(desk, one, number), lambda: judge(desk, other, number))
    assert sorted(map(str, answers)) == ["approved", "open"]
    assert desk.item(number).state == "published"


def test_a_change_and_an_approval_at_once_never_publish_an_unread_text(desk: Desk, author: Actor) -> None:
    (reviewer,) = desk.reviewers("rita")
    for n in range(4):
        number = desk.submit(author)
        seen, item = desk.review(number).version, desk.item(number).public_id

        def rewrite(text: str = f"新文字 {n}", item: str = item) -> str:
            with desk.site.writing() as unit:
                return change(author, unit, find(author, unit, Content, item), {"body": text}).state

        at_once(partial(judge, desk, reviewer, number, version=seen), rewrite)
        found = desk.item(number)
        assert found.state == "submitted" or found.body == FORM["body"]


@pytest.mark.parametrize("needed", [1, 3])
def test_so_many_approve_as_the_rule_asks(desk: Desk, author: Actor, needed: int) -> None:
    people = desk.reviewers("a", "b", "c")
    number = desk.submit(author)
    with desk.site.writing() as unit:
        unit.session.execute(sa.update(Review).values(needed=needed))
    states = [judge(desk, who, number) for who in people[:needed]]
    assert states == ["open"] * (needed - 1) + ["approved"]
