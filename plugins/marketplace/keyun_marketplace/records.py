"""Read offers, people and needs from SQL as the plain records of the matcher."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.accounts import Organization, User
from keyun.content import Content, published
from keyun.uow import UnitOfWork
from keyun_marketplace.matching.records import Query, Record
from keyun_marketplace.models import NEED, OFFER, PERSON, Need, Offer, Person

CHUNK = 1000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Identity verified: what a match calls "verified".
VERIFIED_LEVEL = 2


def day(moment: dt.datetime) -> int:
    """Whole days since 1970-01-01 (UTC)."""
    return (moment - EPOCH).days


def person_key(person_id: int) -> int:
    """People share an index with offers; their keys are negative."""
    return -person_id


def query_of(item: Offer | Need, now: dt.datetime) -> Query:
    """What ``item`` asks of the other side."""
    title = "" if item.body.startswith(item.title.rstrip("…")) else item.title
    return Query(
        title=title,
        keywords=tuple(item.keywords),
        body=item.body,
        discipline=item.discipline,
        region=item.region,
        owner=item.owner_id or 0,
        organization=item.organization_id or 0,
        day=day(now),
    )


def findable() -> sa.ColumnElement[bool]:
    """The condition for people who may be shown: they want to be found, and their accounts are open."""
    return sa.and_(
        Person.findable.is_(True), Person.user_id.in_(sa.select(User.id).where(User.active.is_(True)))
    )


def stream_offers(unit: UnitOfWork) -> Iterator[Record]:
    """People (negative keys) and then offers, in the order of their keys."""
    last: int | None = None
    while True:
        more = Person.id < last if last is not None else sa.true()
        rows = unit.session.execute(
            _people().where(Person.findable.is_(True), more).order_by(Person.id.desc()).limit(CHUNK)
        ).all()
        if not rows:
            break
        yield from map(_person, rows)
        last = rows[-1].id
    yield from _stream(unit, OFFER)


def stream_needs(unit: UnitOfWork) -> Iterator[Record]:
    """Public needs in the order of their keys."""
    yield from _stream(unit, NEED)


def load_offers(unit: UnitOfWork, ids: Mapping[str, Sequence[int]]) -> tuple[list[Record], list[int]]:
    """The current state of some offers and people, and the keys of those that are gone."""
    people = ids.get(PERSON, ())
    rows = unit.session.execute(_people().where(Person.id.in_(people), Person.findable.is_(True))).all()
    found = [_person(r) for r in rows]
    gone = [person_key(i) for i in set(people) - {r.id for r in rows}]
    offers, ended = _load(unit, OFFER, ids.get(OFFER, ()))
    return found + offers, gone + ended


def load_needs(unit: UnitOfWork, ids: Mapping[str, Sequence[int]]) -> tuple[list[Record], list[int]]:
    """The current state of some needs, and the keys of those that are gone."""
    return _load(unit, NEED, ids.get(NEED, ()))


def _load(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> tuple[list[Record], list[int]]:
    if not ids:
        return [], []
    rows = unit.session.execute(_items(unit, kind).where(Content.__table__.c.id.in_(ids))).all()
    return [_item(kind, r) for r in rows], sorted(set(ids) - {r.id for r in rows})


def _stream(unit: UnitOfWork, kind: str) -> Iterator[Record]:
    content = Content.__table__.c
    last = 0
    while True:
        query = _items(unit, kind).where(content.id > last).order_by(content.id).limit(CHUNK)
        rows = unit.session.execute(query).all()
        if not rows:
            return
        for row in rows:
            yield _item(kind, row)
        last = rows[-1].id


def _items(unit: UnitOfWork, kind: str) -> Any:
    content = Content.__table__.c
    own = (Offer if kind == OFFER else Need).__table__.c
    return (
        sa.select(
            content.id, content.title, content.body, content.region, content.version, content.owner_id,
            content.organization_id, content.published_at, own.keywords, own.discipline,
            Organization.verified, User.level,
        )
        .join(own.id.table, own.id == content.id)
        .outerjoin(Organization, Organization.id == content.organization_id)
        .outerjoin(User, User.id == content.owner_id)
        .where(content.type == kind, published(unit.now))
    )  # fmt: skip


def _people() -> Any:
    return sa.select(
        Person.id, Person.title, Person.keywords, Person.summary, Person.discipline, Person.version,
        Person.changed_at, Person.user_id, User.region, User.level,
    ).join(User, User.id == Person.user_id).where(User.active.is_(True))  # fmt: skip


def _item(kind: str, row: Any) -> Record:
    return Record(
        key=row.id,
        kind="offer" if kind == OFFER else "need",
        title=row.title,
        keywords=tuple(row.keywords or ()),
        body=row.body,
        discipline=row.discipline,
        region=row.region,
        verified=bool(row.verified) or (row.level or 0) >= VERIFIED_LEVEL,
        version=row.version,
        day=day(row.published_at),
        owner=row.owner_id or 0,
        organization=row.organization_id or 0,
    )


def _person(row: Any) -> Record:
    return Record(
        key=person_key(row.id),
        kind="person",
        title="",
        keywords=tuple(row.keywords or ()),
        body=f"{row.title}\n{row.summary}",
        discipline=row.discipline,
        region=row.region,
        verified=row.level >= VERIFIED_LEVEL,
        version=row.version,
        day=day(row.changed_at),
        owner=row.user_id,
    )
