"""What people say of themselves, and how many of them an audience reaches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from keyun.access import Actor
from keyun.accounts import User
from keyun.errors import Conflict, Forbidden, Invalid
from keyun.forms import load
from keyun.uow import UnitOfWork
from keyun_notices.audience.attributes import Attribute, Value
from keyun_notices.audience.evaluate import evaluate
from keyun_notices.audience.expression import All, Expression, Within, parse
from keyun_notices.audience.trial import Trial, trial
from keyun_notices.people.models import Interest, Profile
from keyun_notices.people.resident import resident
from keyun_notices.people.schemas import ProfileSchema

COUNTRY = "100000"
#: Somebody younger than this has no interests here.
GROWN = 14
#: So many values of an attribute are listed, those of most people.
LISTED = 200
YOUNG = (
    "未满 14 周岁不记录关注主题，无需填写，公开内容照样可以浏览。"
    " (No interests are kept for people under 14; everything public can be read without them.)"
)
SAVED_TWICE = "刚才已经保存过一次，请刷新后再改。 (It was saved a moment ago; reload and try again.)"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of himself."""

    birth_year: int | None = None
    title: int | None = None
    interests: tuple[str, ...] = ()


def profile(actor: Actor, unit: UnitOfWork) -> Said:
    """What the actor says of himself."""
    unit.require(actor, "notices.profile.edit")
    row = unit.session.get(Profile, actor.user_id)
    topics = sa.select(Interest.topic).where(Interest.user_id == actor.user_id).order_by(Interest.topic)
    interests = tuple(unit.session.scalars(topics))
    return Said(row.birth_year if row else None, row.title if row else None, interests)


def save_profile(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> Said:
    """Say something of oneself, all of it at once; what is left empty is forgotten.

    :raises Invalid: naming every field that was refused; for somebody under 14 the interests are one.
    :raises Conflict: when the same was saved in this moment.
    """
    unit.require(actor, "notices.profile.edit")
    assert actor.user_id is not None  # the permission asks for a user
    values = load(ProfileSchema(), data)
    if reasons := refusals(values, unit.today):
        raise Invalid("; ".join(reasons.values()), {k: [v] for k, v in reasons.items()})
    row = unit.session.get(Profile, actor.user_id)
    if row is None:
        row = Profile(user_id=actor.user_id, changed_at=unit.now)
        unit.session.add(row)
    row.birth_year, row.title, row.changed_at = values["birth_year"], values["title"], unit.now
    unit.session.execute(sa.delete(Interest).where(Interest.user_id == actor.user_id))
    unit.session.add_all(Interest(user_id=actor.user_id, topic=t) for t in values["interests"])
    try:
        unit.session.flush()
    except IntegrityError:
        raise Conflict(SAVED_TWICE) from None
    unit.record("profile.changed", "user", actor.user_id, actor)
    return profile(actor, unit)


def refusals(values: Mapping[str, Any], today: dt.date) -> dict[str, str]:
    """What is wrong with a profile on ``today``, by field."""
    year = values["birth_year"]
    if year is not None and year > today.year:
        return {"birth_year": "出生年份不能晚于今年。 (The birth year lies in the future.)"}
    if values["interests"] and may_be_young(year, today):
        return {"interests": YOUNG}
    return {}


def may_be_young(birth_year: int | None, today: dt.date) -> bool:
    """Whether somebody may be under 14 yet: only the year is known, so until it surely has passed."""
    return birth_year is not None and today.year - birth_year <= GROWN


# Audiences ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampled:
    """One person of a sample, without a name."""

    public_id: str
    region: str | None
    level: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A trial, where it was made, and who its sample is."""

    expression: Expression
    regions: Sequence[str]
    trial: Trial
    sample: Sequence[Sampled]


def count(actor: Actor, unit: UnitOfWork, data: object, region: str | None = None) -> Counted:
    """Try the audience that ``data`` describes, within the regions for which the actor may count.

    With ``region`` only there.

    :raises Invalid: naming the place in the expression that is wrong.
    :raises Forbidden: when the actor may not count there, or anywhere.
    """
    unit.require(actor, "notices.audience.count", Place(region) if region else None)
    live = resident(unit.site)
    expression = parse(data, live.attributes)
    regions = [region] if region else granted(actor, unit)
    people = live.people(unit)
    here = evaluate(inside(regions), people, unit.site.regions, unit.today)
    found = trial(expression, people, live.attributes, unit.site.regions, unit.today, within=here)
    return Counted(expression, regions, found, _sampled(unit, found.sample))


def granted(actor: Actor, unit: UnitOfWork) -> list[str]:
    """The regions for which the actor may count.

    :raises Forbidden: when there is none.
    """
    regions = sorted(set(unit.site.access.regions(actor, "notices.audience.count")))
    if not regions:
        raise Forbidden("没有可统计的地区。 (There is no region that you may count for.)")
    return regions


def inside(regions: Sequence[str]) -> Expression:
    """Everybody in ``regions``; the whole country includes those of whom no region is known."""
    return All() if COUNTRY in regions else Within("region", tuple(regions))


def _sampled(unit: UnitOfWork, ids: Sequence[int]) -> list[Sampled]:
    rows = unit.session.execute(
        sa.select(User.public_id, User.region, User.level).where(User.id.in_(ids)).order_by(User.id)
    )
    return [Sampled(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Described:
    """An attribute with the values that people have, most people first, and how many have each."""

    attribute: Attribute
    values: Sequence[tuple[Value, int]]


def described(actor: Actor, unit: UnitOfWork) -> list[Described]:
    """Every attribute that audiences can ask for, with the values that occur where the actor may count."""
    unit.require(actor, "notices.audience.count")
    live = resident(unit.site)
    people = live.people(unit)
    here = evaluate(inside(granted(actor, unit)), people, unit.site.regions, unit.today)
    found = []
    for name, attribute in live.attributes.items():
        sizes = [(v, who.intersection_cardinality(here)) for v, who in people.values[name].items()]
        listed = sorted((s for s in sizes if s[1]), key=lambda s: (-s[1], str(s[0])))
        found.append(Described(attribute, listed[:LISTED]))
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """A region as the subject of a permission; it belongs to nobody."""

    region: str | None
    owner_id: None = None
    organization_id: None = None
