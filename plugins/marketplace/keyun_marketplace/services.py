"""What people do in the marketplace: post, be found, ask and answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from keyun.access import Actor, system
from keyun.content import Content, ContentType, create, find, given, publish
from keyun.errors import Conflict, Invalid, NotFound
from keyun.forms import load
from keyun.uow import UnitOfWork
from keyun_marketplace import letters
from keyun_marketplace.models import NEED, OFFER, PERSON, Match, Need, Offer, Person, Request
from keyun_marketplace.records import findable
from keyun_marketplace.schemas import (
    AnswerSchema,
    NeedSchema,
    OfferSchema,
    PersonSchema,
    RequestSchema,
    SentenceSchema,
)

TITLE_LENGTH = 30
CLAUSE = re.compile(r"(?<=[，。；！？,;!?\n])")
MATCH_JOB = "marketplace.match"
ASKED = "已经联系过对方，请在收件箱查看回复。 (You have asked already; see your inbox.)"
SAVED_TWICE = "刚才已经保存过一次，请刷新后再改。 (It was saved a moment ago; reload and try again.)"


def offer_type() -> ContentType:
    """科技所能."""
    return ContentType(OFFER, Offer, OfferSchema, "marketplace.offer", "科技所能", "offers")


def need_type() -> ContentType:
    """科技所需."""
    return ContentType(NEED, Need, NeedSchema, "marketplace.need", "科技所需", "needs")


def search_words(item: Content) -> str:
    """What the site search finds an item by, beyond its text."""
    assert isinstance(item, Offer | Need)
    return " ".join([*item.keywords, item.discipline or ""])


def title_of(text: str) -> str:
    """The first clauses of ``text`` as a title of at most 30 characters."""
    title = ""
    for clause in CLAUSE.split(" ".join(text.split())):
        if title and len(title) + len(clause) > TITLE_LENGTH:
            break
        title += clause
        if len(title) >= 12:
            break
    title = title.strip(" ，。；！？,;!?")
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"


def post_sentence(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> Need:
    """Publish a need from one sentence and a region; the rest is asked afterwards.

    :raises Invalid: when the sentence or the region is missing, or screening refuses the text.
    :raises Forbidden: when the actor may not publish; nothing is written then.
    """
    unit.require(actor, f"{NEED}.create")
    values = load(SentenceSchema(), data)
    text = values["text"]
    draft = {"title": title_of(text) or text[:TITLE_LENGTH], "body": text, "region": values["region"]}
    draft |= given(unit.site.content_type(NEED), data)
    return publish_need(actor, unit, _need(create(actor, unit, need_type(), draft)))


def publish_need(actor: Actor, unit: UnitOfWork, need: Need) -> Need:
    """Publish a need; the worker stores its matches for the inboxes of those who can help."""
    publish(actor, unit, need)
    unit.enqueue(MATCH_JOB, need_id=need.id)
    return need


def publish_offer(actor: Actor, unit: UnitOfWork, offer: Offer) -> Offer:
    """Publish an offer; the worker looks for needs that wait for it."""
    publish(actor, unit, offer)
    unit.enqueue(MATCH_JOB, offer_id=offer.id)
    return offer


def publish_item(actor: Actor, unit: UnitOfWork, item: Content) -> Content:
    """Publish an offer or a need."""
    if isinstance(item, Need):
        return publish_need(actor, unit, item)
    assert isinstance(item, Offer)
    return publish_offer(actor, unit, item)


def mine(actor: Actor, unit: UnitOfWork, model: type[Offer] | type[Need]) -> Sequence[Content]:
    """What the actor or his organizations wrote, newest first."""
    if not actor.is_user:
        return []
    own = sa.or_(model.owner_id == actor.user_id, model.organization_id.in_(actor.organizations))
    return unit.session.scalars(
        sa.select(model).where(own).order_by(model.changed_at.desc(), model.id.desc()).limit(200)
    ).all()


# People -------------------------------------------------------------------------------------------------


def profile(actor: Actor, unit: UnitOfWork) -> Person | None:
    """The actor's own profile, if there is one."""
    if not actor.is_user:
        return None
    return unit.session.scalars(sa.select(Person).where(Person.user_id == actor.user_id)).first()


def save_profile(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> Person:
    """Say what one can help with, and whether one agrees to be found; a no works at once."""
    unit.require(actor, f"{PERSON}.edit")
    values = load(PersonSchema(), data)
    person = profile(actor, unit)
    if person is None:
        assert actor.user_id is not None  # the permission asks for a user
        person = Person(user_id=actor.user_id, changed_at=unit.now, version=0)
        unit.session.add(person)
    for name, value in values.items():
        setattr(person, name, value)
    person.version += 1
    person.changed_at = unit.now
    _flush(unit, SAVED_TWICE)
    unit.record("person.changed", PERSON, person.id, actor, findable=person.findable)
    return person


def forget(unit: UnitOfWork, user_id: int) -> None:
    """Let the match index drop a person whose account is about to go; the core deletes the row."""
    for number in unit.session.scalars(sa.select(Person.id).where(Person.user_id == user_id)).all():
        unit.record("person.changed", PERSON, number, system(), findable=False)


# Requests -----------------------------------------------------------------------------------------------


def ask(actor: Actor, unit: UnitOfWork, need: Need, data: Mapping[str, Any]) -> Request:
    """Ask the owner of an offer, or a person who agreed to be found, to help with one's own need.

    :raises Conflict: when this was asked before, or it would be asking oneself.
    """
    unit.require(actor, "marketplace.request.send", need)
    values = load(RequestSchema(), data)
    if need.state != "published":
        raise Conflict("需求发布后才能联系对方。 (Publish the need first.)")
    kind, target_id, receiver_id = _target(actor, unit, values["kind"], values["target"])
    if receiver_id == actor.user_id:
        raise Conflict("不能联系自己。 (You cannot ask yourself.)")
    known = sa.select(Request.id).where(
        Request.need_id == need.id, Request.kind == kind, Request.target_id == target_id
    )
    if unit.session.scalar(known):
        raise Conflict(ASKED)
    request = Request(
        need_id=need.id,
        kind=kind,
        target_id=target_id,
        sender_id=actor.user_id,
        receiver_id=receiver_id,
        message=values["message"],
        created_at=unit.now,
    )
    unit.session.add(request)
    _flush(unit, ASKED)
    unit.record("request.sent", NEED, need.id, actor, request=request.id)
    letters.asked(unit, request, need)
    return request


def _target(actor: Actor, unit: UnitOfWork, kind: str, public_id: str) -> tuple[str, int, int]:
    if kind == "offer":
        offer = find(actor, unit, Offer, public_id)
        if offer.owner_id is None or offer.state != "published":
            raise Conflict("这项科技所能暂无联系人。 (Nobody answers for this offer.)")
        return kind, offer.id, offer.owner_id
    person = unit.session.scalars(sa.select(Person).where(Person.public_id == public_id, findable())).first()
    if person is None:
        raise NotFound("对方不再接受联系。 (This person no longer wants to be found.)")
    return kind, person.id, person.user_id


def answer(actor: Actor, unit: UnitOfWork, public_id: str, data: Mapping[str, Any]) -> Request:
    """Accept or decline a request; with a yes both sides see each other's name and how to get in touch.

    :raises NotFound: when there is no such request for this actor.
    """
    unit.require(actor, "marketplace.request.answer")
    values = load(AnswerSchema(), data)
    request = unit.session.scalars(sa.select(Request).where(Request.public_id == public_id)).first()
    if request is None or request.receiver_id != actor.user_id:
        raise NotFound("没有找到这条请求。 (No such request.)")
    state = "accepted" if values["accept"] else "declined"
    changed = unit.session.execute(
        sa.update(Request)
        .where(Request.id == request.id, Request.state == "open")
        .values(state=state, reply=values["reply"], answered_at=unit.now)
    )
    if not changed.rowcount:  # type: ignore[attr-defined]
        raise Conflict("这条请求已经答复过。 (It has been answered already.)")
    unit.session.refresh(request)
    unit.record(f"request.{state}", NEED, request.need_id, actor, request=request.id)
    letters.answered(unit, request)
    return request


def requests(actor: Actor, unit: UnitOfWork) -> tuple[Sequence[Request], Sequence[Request]]:
    """Requests to the actor, and those he sent; newest first."""
    if not actor.is_user:
        return [], []
    newest = sa.select(Request).order_by(Request.created_at.desc(), Request.id.desc()).limit(100)
    received = unit.session.scalars(newest.where(Request.receiver_id == actor.user_id)).all()
    sent = unit.session.scalars(newest.where(Request.sender_id == actor.user_id)).all()
    return received, sent


def asked(unit: UnitOfWork, need: Need) -> dict[tuple[str, int], Request]:
    """The requests for ``need`` by (kind, target id)."""
    rows = unit.session.scalars(sa.select(Request).where(Request.need_id == need.id))
    return {(r.kind, r.target_id): r for r in rows}


def inbox_needs(actor: Actor, unit: UnitOfWork) -> Sequence[tuple[Match, Need]]:
    """Needs for which something of the actor's was found, newest first; only what is public now."""
    from keyun.content import published

    if not actor.is_user:
        return []
    query = (
        sa.select(Match, Need)
        .join(Need, Need.id == Match.need_id)
        .where(Match.owner_id == actor.user_id, published(unit.now))
        .order_by(Match.found_at.desc(), Match.score.desc())
        .limit(100)
    )
    return [(m, n) for m, n in unit.session.execute(query)]


def _flush(unit: UnitOfWork, refusal: str) -> None:
    """Write; a button that was pressed twice at once is refused the second time.

    :raises Conflict: with the ``refusal``.
    """
    try:
        unit.session.flush()
    except IntegrityError:
        raise Conflict(refusal) from None


def _need(item: Content) -> Need:
    if not isinstance(item, Need):
        raise Invalid(f"{item.type} is not a need")
    return item


def match_again(unit: UnitOfWork, item: Content) -> None:
    """Let the worker look again after a published item changed."""
    if isinstance(item, Need):
        unit.enqueue(MATCH_JOB, need_id=item.id)
    else:
        unit.enqueue(MATCH_JOB, offer_id=item.id)
