from __future__ import annotations
import pytest, sqlalchemy as sa
from keyun.access import system
from keyun.content import change, create, find, publish
from keyun.content.models import Content
from keyun.reviews.decisions import decide, reopen
from keyun.reviews.queue import own
from keyun.reviews.services import find_review, checks, claim
from keyun.reviews.rights import colleagues
from keyun.reviews.models import Review
from keyun.testing.makers import MakeSite
from tests.core.reviews.conftest import ARTICLE, FORM, CONFIG, Desk
from tests.core.reviews.test_decisions import judge

def test_t1(make_site):
    desk = Desk(make_site("popsci"))
    author = desk.person("author", ("editor", "511400"))
    (one,) = desk.reviewers("one")
    number = desk.submit(author, category="health")
    judge(desk, one, number)
    with desk.site.writing() as unit:
        item = find(author, unit, Content, desk.item(number).public_id)
        change(author, unit, item, {"category": "agriculture"})
    print("state after change", desk.item(number).state)

def test_t1b(make_site):
    desk = Desk(make_site("popsci"))
    author = desk.person("author", ("editor", "511400"))
    (one,) = desk.reviewers("one")
    number = desk.submit(author, category="health")
    judge(desk, one, number, "reject", "这是广告")
    with desk.site.writing() as unit:
        item = find(author, unit, Content, desk.item(number).public_id)
        change(author, unit, item, {"category": "agriculture"})
        publish(author, unit, item)
    print("state after change+publish", desk.item(number).state, desk.review(number).state)

def test_t2(desk, author):
    (one,) = desk.reviewers("one")
    ed = desk.person("ed", ("editor", "511400"))
    number = desk.submit(author); judge(desk, one, number)
    with desk.site.writing() as unit:
        change(ed, unit, find(ed, unit, Content, desk.item(number).public_id), {"body": "x"})
    with desk.site.reading() as unit:
        (e,) = own(ed, unit).items
        find_review(ed, unit, e.review.public_id)

def test_t3(desk, author):
    people = desk.reviewers(*[f"r{n}" for n in range(30)])
    number = desk.submit(author)
    with desk.site.reading() as unit:
        review, item = find_review(people[0], unit, number)
        count = []
        sa.event.listen(desk.site.runtime.engine, "before_cursor_execute", lambda *a: count.append(a[2]))
        colleagues(people[0], unit, review, item)
        print("queries", len(count))

def test_t4(desk, author):
    (one,) = desk.reviewers("one")
    number = desk.submit(author)
    with desk.site.writing() as unit:
        unit.session.execute(sa.text("DELETE FROM popsci_article"))
    with desk.site.reading() as unit:
        review, item = find_review(one, unit, number)
        checks(one, unit, item)
