"""The main job: a need finds its offers, at once, with reasons, and both sides meet only after a yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import anonymous, system
from keyun.accounts.services import deactivate_user, find_user
from keyun.content import change, find, withdraw
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.jobs import Worker
from keyun.site import Site
from keyun_marketplace import index, matchmaking, services
from keyun_marketplace.matching import store
from keyun_marketplace.models import Match, Need, Offer, Person

Market = Any
NEED = "我们合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"


def matches(market: Market, item: object) -> matchmaking.Matched:
    with market.site.reading() as unit:
        return matchmaking.match_item(anonymous(), unit, item)  # type: ignore[arg-type]


def test_a_need_of_one_sentence_is_published_and_matched_at_once(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    assert need.state == "published"
    assert need.title in NEED
    found = matches(full_market, need)
    assert [f.title for f in found.offers][:2] == ["柑橘黄龙病 PCR 检测", "柑橘木虱统防统治"]
    assert "钒钛合金真空熔炼" not in [f.title for f in found.offers]
    assert [f.title for f in found.people] == ["高级农艺师"]


def test_every_match_says_why_and_the_parts_add_up(full_market: Market) -> None:
    found = matches(full_market, full_market.need(full_market.actor("asker")))
    for f in found.ranked:
        assert sum(p.value for p in f.parts) == pytest.approx(f.score, abs=1e-3)
        assert any(p.name == "terms" and p.text in NEED for p in f.parts)
    assert {p.name for p in found.offers[0].parts} >= {"terms", "near", "verified", "fresh"}


def test_a_published_offer_is_matchable_in_every_process_without_a_rebuild(
    full_market: Market, make_site: Callable[..., Site]
) -> None:
    matchmaking.rebuild(full_market.site)
    other = make_site(instance=full_market.site.runtime.instance)
    with other.reading() as unit:
        assert not matchmaking.match_text(anonymous(), unit, "羊肚菌棚温控制").offers
    full_market.offer(full_market.actor("expert"), "羊肚菌棚温控制", "羊肚菌大棚降温")
    with other.reading() as unit:
        found = matchmaking.match_text(anonymous(), unit, "羊肚菌棚温控制")
    assert [f.title for f in found.offers] == ["羊肚菌棚温控制"]


def test_an_edited_and_a_withdrawn_offer_change_the_matches_at_once(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    first = matches(full_market, need).offers[0]
    expert = full_market.actor("expert")
    with full_market.site.writing() as unit:
        offer = find(expert, unit, Offer, first.public_id)
        change(expert, unit, offer, {"title": "茶叶加工", "body": "红茶发酵", "keywords": "茶"})
    assert first.public_id not in [f.public_id for f in matches(full_market, need).offers]
    second = matches(full_market, need).offers[0]
    with full_market.site.writing() as unit:
        withdraw(expert, unit, find(expert, unit, Offer, second.public_id))
    assert second.public_id not in [f.public_id for f in matches(full_market, need).offers]


def test_a_person_who_takes_his_agreement_back_is_gone_at_once(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    with full_market.site.writing() as unit:
        services.save_profile(full_market.actor("helper"), unit, {"title": "高级农艺师", "findable": "false"})
    assert matches(full_market, need).people == []


def test_a_person_whose_account_is_closed_is_gone_at_once(full_market: Market) -> None:
    asker = full_market.actor("asker")
    need = full_market.need(asker)
    (person,) = matches(full_market, need).people
    with full_market.site.writing() as unit:
        deactivate_user(system(), unit, find_user(unit, "helper"))
    assert matches(full_market, need).people == []
    with full_market.site.writing() as unit, pytest.raises(NotFound):
        services.ask(asker, unit, need, {"kind": "person", "target": person.public_id, "message": "请帮忙"})


def test_nobody_is_offered_what_is_his_own(full_market: Market) -> None:
    assert [f.title for f in matches(full_market, full_market.need(full_market.actor("expert"))).offers] == []


def test_an_offer_finds_the_needs_that_wait_for_it(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    with full_market.site.reading() as unit:
        offer = unit.session.scalars(sa.select(Offer).where(Offer.title.contains("PCR"))).one()
    assert [f.public_id for f in matches(full_market, offer).offers] == [need.public_id]


def test_a_text_without_usable_words_is_told_what_to_add(full_market: Market) -> None:
    found = matches(full_market, full_market.need(full_market.actor("asker"), "想要请你们"))
    assert "请写明" in found.reason
    assert not found.ranked


def test_the_owner_of_a_matched_offer_finds_the_need_in_his_inbox(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    Worker(full_market.site).drain()
    with full_market.site.reading() as unit:
        told = services.inbox_needs(full_market.actor("expert"), unit)
        assert {n.id for _, n in told} == {need.id}
        assert services.inbox_needs(full_market.actor("asker"), unit) == []


def test_a_late_offer_reaches_the_needs_that_were_posted_before(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    Worker(full_market.site).drain()
    full_market.user("late")
    offer = full_market.offer(
        full_market.actor("late"), "柑橘黄龙病诊断与木虱防控", "黄龙病诊断，木虱防控方案"
    )
    Worker(full_market.site).drain()
    with full_market.site.reading() as unit:
        stored = unit.session.get(Match, (need.id, "offer", offer.id))
    assert stored is not None


def test_both_sides_see_each_other_only_after_a_yes(full_market: Market) -> None:
    asker, helper = full_market.actor("asker"), full_market.actor("helper")
    need = full_market.need(asker)
    person = matches(full_market, need).people[0]
    assert "王不露名" not in repr(person)
    with full_market.site.writing() as unit:
        asked = services.ask(
            asker,
            unit,
            find(asker, unit, Need, need.public_id),
            {"kind": "person", "target": person.public_id},
        )
    with full_market.site.reading() as unit:
        received, _ = services.requests(helper, unit)
        assert [r.state for r in received] == ["open"]
    with pytest.raises(NotFound), full_market.site.writing() as unit:
        services.answer(asker, unit, asked.public_id, {"accept": "true"})
    with full_market.site.writing() as unit:
        services.answer(helper, unit, asked.public_id, {"accept": "true", "reply": "明天到"})
    with pytest.raises(Conflict), full_market.site.writing() as unit:
        services.answer(helper, unit, asked.public_id, {"accept": "false"})


def test_the_same_person_is_asked_once(full_market: Market) -> None:
    asker = full_market.actor("asker")
    need = full_market.need(asker)
    target = matches(full_market, need).offers[0]
    body = {"kind": "offer", "target": target.public_id}
    with full_market.site.writing() as unit:
        services.ask(asker, unit, find(asker, unit, Need, need.public_id), body)
    with pytest.raises(Conflict, match="已经联系过"), full_market.site.writing() as unit:
        services.ask(asker, unit, find(asker, unit, Need, need.public_id), body)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_button_pressed_twice_at_once_is_refused_the_second_time(full_market: Market) -> None:
    site, asker = full_market.site, full_market.actor("asker")
    need = full_market.need(asker)
    offer = matches(full_market, need).offers[0]
    again: list[Callable[[], None]] = []

    def ask() -> None:
        with site.writing() as unit:
            data = {"kind": "offer", "target": offer.public_id, "message": "请帮忙"}
            services.ask(asker, unit, unit.session.get_one(Need, need.id), data)

    def save() -> None:
        with site.writing() as unit:
            services.save_profile(asker, unit, {"title": "农艺师", "findable": "true"})

    def press_again(*_: object) -> None:
        """The other request looked, and writes first."""
        while again:
            again.pop()()

    sa.event.listen(site.runtime.sessions, "before_flush", press_again)
    for act in (ask, save):
        again.append(act)
        with pytest.raises(Conflict):
            act()
        assert not again


def test_strangers_cannot_ask_for_somebody_elses_need(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    target = matches(full_market, need).offers[0]
    stranger = full_market.actor("helper")
    with pytest.raises(Forbidden), full_market.site.writing() as unit:
        found = find(stranger, unit, Need, need.public_id)
        services.ask(stranger, unit, found, {"kind": "offer", "target": target.public_id})


def test_who_has_no_verified_phone_drafts_but_does_not_publish(market: Market) -> None:
    market.user("new", level=0)
    with pytest.raises(Forbidden, match="手机认证"):
        market.need(market.actor("new"))
    with market.site.reading() as unit:
        assert unit.session.scalars(sa.select(Need)).all() == []


@pytest.mark.parametrize("number", ["13800138000", "138 0013 8000", "138-0013-8000", "51010219900307123X"])
def test_phone_and_identity_numbers_stay_off_public_pages(market: Market, number: str) -> None:
    market.user("asker")
    with pytest.raises(Invalid, match="手机号"):
        market.need(market.actor("asker"), f"柑橘黄化请联系{number}")


@pytest.mark.parametrize("harmless", ["规格Q23513800138000123", "数量1300000", "批号20260101"])
def test_other_numbers_are_left_alone(market: Market, harmless: str) -> None:
    market.user("asker")
    assert market.need(market.actor("asker"), f"柑橘黄化，{harmless}").state == "published"


def test_a_deleted_or_damaged_index_is_answered_around_and_built_anew(full_market: Market) -> None:
    matchmaking.rebuild(full_market.site)
    need = full_market.need(full_market.actor("asker"))
    folder = index.folder(full_market.site, "offers")
    (folder / store.POINTER).write_text("nowhere")
    for name in ("offers", "needs"):
        full_market.site.runtime.forget(f"marketplace.{name}")
    assert matches(full_market, need).offers, "a process answers from the log while the files are gone"
    matchmaking.merge_if_due(full_market.site)
    assert store.read(folder).segment.size == 4
    assert list(matchmaking.problems(full_market.site)) == []


def test_verify_names_what_the_index_lacks(full_market: Market) -> None:
    matchmaking.rebuild(full_market.site)
    with full_market.site.writing() as unit:
        unit.session.execute(sa.update(Person).values(version=Person.version + 1))
    assert matchmaking.verify(full_market.site)["offers"]["stale"] == 1
    assert any("index rebuild" in p for p in matchmaking.problems(full_market.site))


def test_index_files_hold_no_names(full_market: Market) -> None:
    matchmaking.rebuild(full_market.site)
    for path in Path(full_market.site.runtime.instance / "matching").rglob("*"):
        if path.is_file():
            assert "王不露名".encode() not in path.read_bytes()
