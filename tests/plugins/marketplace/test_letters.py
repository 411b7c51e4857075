"""Who is asked, and who is answered, hears of it by mail when he wants to; who leaves is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import anonymous, system
from keyun.accounts import User, personal
from keyun.accounts.services import find_user
from keyun.content import find
from keyun.jobs import Worker
from keyun.testing.mail import MailServer, mail_server
from keyun_marketplace import matchmaking, services
from keyun_marketplace.models import Match, Need, Offer, Person, Request

Market = Any


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def market_config(server: MailServer) -> dict[str, Any]:
    return {"mail": server.config, "site": {"url": "https://cloud.example.org"}}


def reachable(market: Market, **wanted: bool) -> None:
    """Give the people of the market addresses."""
    with market.site.writing() as unit:
        for user in unit.session.scalars(sa.select(User)):
            user.email = f"{user.login}@example.org"
            user.mail_wanted = wanted.get(user.login, True)


def ask(market: Market) -> Request:
    """The asker posts a need and asks the person who was found for it."""
    asker = market.actor("asker")
    need = market.need(asker)
    with market.site.reading() as unit:
        person = matchmaking.match_item(anonymous(), unit, need).people[0]
    with market.site.writing() as unit:
        found = find(asker, unit, Need, need.public_id)
        request: Request = services.ask(asker, unit, found, {"kind": "person", "target": person.public_id})
        return request


def test_asking_and_answering_are_told_by_mail_without_names(full_market: Market, server: MailServer) -> None:
    reachable(full_market)
    request = ask(full_market)
    Worker(full_market.site).drain()
    (mail,) = server.received
    assert mail["To"] == "helper@example.org"
    assert "https://cloud.example.org/marketplace/inbox" in mail.get_content()
    assert "asker" not in mail.get_content()
    with full_market.site.writing() as unit:
        helper = full_market.actor("helper")
        services.answer(helper, unit, request.public_id, {"accept": "true", "reply": "明天到"})
    Worker(full_market.site).drain()
    assert server.received[1]["To"] == "asker@example.org"
    assert "王不露名" not in server.received[1].as_string()
    assert "明天到" not in server.received[1].get_content()


def test_who_switched_mail_off_hears_nothing_and_finds_it_in_the_inbox(
    full_market: Market, server: MailServer
) -> None:
    reachable(full_market, helper=False)
    ask(full_market)
    Worker(full_market.site).drain()
    assert server.received == []
    with full_market.site.reading() as unit:
        received, _ = services.requests(full_market.actor("helper"), unit)
    assert len(received) == 1


def test_an_erased_person_leaves_requests_matches_and_the_index(
    full_market: Market, server: MailServer
) -> None:
    matchmaking.rebuild(full_market.site)
    ask(full_market)
    Worker(full_market.site).drain()
    with full_market.site.writing() as unit:
        personal.erase(system(), unit, find_user(unit, "helper"))
    with full_market.site.reading() as unit:
        for model in (Person, Request):
            assert unit.session.scalars(sa.select(model)).all() == []
        assert {m.kind for m in unit.session.scalars(sa.select(Match))} == {"offer"}
        found = matchmaking.match_text(anonymous(), unit, "黄龙病诊断")
    assert found.people == []
    matchmaking.rebuild(full_market.site)
    assert list(matchmaking.problems(full_market.site)) == []


def test_offers_of_somebody_who_leaves_are_withdrawn_and_found_no_more(full_market: Market) -> None:
    with full_market.site.writing() as unit:
        personal.erase(system(), unit, find_user(unit, "expert"))
    with full_market.site.reading() as unit:
        states = {(o.state, o.owner_id) for o in unit.session.scalars(sa.select(Offer))}
        found = matchmaking.match_text(anonymous(), unit, "柑橘黄龙病检测")
    assert (states, found.offers) == ({("withdrawn", None)}, [])
