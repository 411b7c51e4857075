"""Write calls, count who is eligible, publish, and say to each person why or why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.api import Page, page
from keyun.db import is_public_id, public_id
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.forms import load
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.audience.expression import Expression, dump, parse
from keyun_notices.audience.facts import Facts, meets
from keyun_notices.audience.trial import Trial, trial
from keyun_notices.audience.why import Clause, decisive, why
from keyun_notices.eligibility.models import Call
from keyun_notices.eligibility.schemas import CallSchema
from keyun_notices.people.resident import resident
from keyun_notices.people.services import Place
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Notice
from keyun_notices.publishing.services import conditions
from keyun_notices.publishing.services import publish as publish_notice

EDIT, READ = "notices.call.edit", "notices.call.read"
#: So many open calls are judged for one person.
MOST_OPEN = 200
TOPICS = {"award": "awards", "policy": "policies", "project": "awards"}
NO_DRAFT = "已经发布或撤回，不能再修改或再次发布。 (It is published or withdrawn; only drafts change.)"
CHANGED = "这条内容刚被别人改过，请刷新后再试。 (Somebody else changed it; reload and try again.)"


def create(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> Call:
    """Write a draft.

    :raises Invalid: naming every field that was refused, with the place in the expression.
    """
    values = _values(unit, data)
    unit.require(actor, EDIT, Place(values["region"]))
    call = Call(
        **values,
        public_id=public_id(),
        state="draft",
        owner_id=actor.user_id,
        created_at=unit.now,
        changed_at=unit.now,
        version=1,
    )
    unit.session.add(call)
    unit.session.flush()
    unit.record("call.created", "call", call.id, actor)
    return call


def change(
    actor: Actor, unit: UnitOfWork, call: Call, data: Mapping[str, Any], version: int | None = None
) -> Call:
    """Change a draft; who is eligible for a published call stays as it was published.

    :raises Conflict: when it is published, or somebody changed it since ``version``.
    """
    unit.require(actor, EDIT, Place(call.region))
    values = _values(unit, data)
    unit.require(actor, EDIT, Place(values["region"]))
    _still_draft(call)
    seen = call.version if version is None else version
    _move(unit, call, seen, "draft", **values)
    unit.record("call.changed", "call", call.id, actor)
    return call


def publish(
    actor: Actor, unit: UnitOfWork, call: Call, *, tell: bool = False, address: str = ""
) -> Notice | None:
    """Publish a draft. With ``tell`` a notice goes to exactly those who are eligible at this moment.

    ``address`` is that of the page of the call, for the notice. Nobody being eligible is refused.

    :raises Conflict: when it is not a draft any more.
    :raises Invalid: when nobody is eligible, or it has closed already.
    """
    unit.require(actor, EDIT, Place(call.region))
    _still_draft(call)
    if call.closes_at is not None and call.closes_at <= unit.now:
        raise _refused("closes_at", "截止时间已过。 (It has closed already.)")
    counted = len(resident(unit.site).matching(unit, within(unit, call)))
    if not counted:
        raise _refused("audience", "没有人符合条件，请先试算。 (Nobody is eligible; try the audience first.)")
    key = f"call:{call.public_id}" if tell else None
    _move(
        unit, call, call.version, "draft", state="published", published_at=unit.now, counted=counted, told=key
    )
    unit.record("call.published", "call", call.id, actor, counted=counted)
    return publish_notice(actor, unit, _draft(call, key, address)) if key else None


def withdraw(actor: Actor, unit: UnitOfWork, call: Call) -> Call:
    """Take a call back; it leaves every list.

    :raises Conflict: when it is withdrawn already.
    """
    unit.require(actor, EDIT, Place(call.region))
    if call.state == "withdrawn":
        raise Conflict("已经撤回。 (It is withdrawn already.)")
    _move(unit, call, call.version, call.state, state="withdrawn")
    unit.record("call.withdrawn", "call", call.id, actor)
    return call


def tried(actor: Actor, unit: UnitOfWork, call: Call) -> Trial:
    """Count who would be eligible now, clause by clause."""
    unit.require(actor, EDIT, Place(call.region))
    live = resident(unit.site)
    people, places = live.people(unit), unit.site.regions
    here = live.matching(unit, conditions([call.region], parse({"all": []}, live.attributes)))
    expression = parse(call.audience, live.attributes)
    return trial(expression, people, live.attributes, places, unit.today, within=here)


def within(unit: UnitOfWork, call: Call) -> Expression:
    """What somebody must meet to be eligible: the audience, inside the region. Open: for services.

    :raises Invalid: when it names an attribute that no loaded plugin knows.
    """
    return conditions([call.region], parse(call.audience, resident(unit.site).attributes))


# For one person -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether one person may take part, and why.

    ``eligible`` is None when an attribute of the call is not known here any more; then there is no ``why``.
    """

    call: Call
    eligible: bool | None
    why: Clause | None

    @property
    def reasons(self) -> Sequence[Clause]:
        """The clauses that make it so: those that suffice, or those that are not met."""
        return decisive(self.why) if self.why is not None else ()


def mine(actor: Actor, unit: UnitOfWork, call: Call) -> Eligibility:
    """Why the actor is eligible, or is not."""
    unit.require(actor, READ)
    assert actor.user_id is not None  # the permission asks for a user
    return judged(unit, call, resident(unit.site).facts(unit, actor.user_id))


def of_user(actor: Actor, unit: UnitOfWork, call: Call, login: str) -> Eligibility:
    """Why somebody else is eligible, or is not; for the operator only, because it tells what is known of him.

    :raises Forbidden: to everybody else.
    :raises NotFound: when there is no such user.
    """
    if not actor.is_system:
        raise Forbidden("只有运维人员可以查看他人的资格。 (Only the operator may look at somebody else.)")
    user_id = unit.session.scalar(sa.select(User.id).where(User.login == login))
    if user_id is None:
        raise NotFound(f"没有用户 {login}。 (There is no user {login}.)")
    return judged(unit, call, resident(unit.site).facts(unit, user_id))


def open_calls(actor: Actor, unit: UnitOfWork) -> list[Eligibility]:
    """The newest open calls, those for which the actor is eligible first."""
    unit.require(actor, READ)
    assert actor.user_id is not None  # the permission asks for a user
    facts = resident(unit.site).facts(unit, actor.user_id)
    newest = sa.select(Call).where(is_open(unit.now)).order_by(Call.created_at.desc(), Call.id.desc())
    found = [judged(unit, c, facts) for c in unit.session.scalars(newest.limit(MOST_OPEN))]
    return sorted(found, key=lambda e: not e.eligible)


def judged(unit: UnitOfWork, call: Call, facts: Facts) -> Eligibility:
    """Whether the person of ``facts`` is eligible. Open: for services."""
    live, places = resident(unit.site), unit.site.regions
    try:
        expression = within(unit, call)
        eligible = meets(expression, facts, places, unit.today)
        return Eligibility(call, eligible, why(expression, facts, places, unit.today, live.attributes))
    except Invalid:
        return Eligibility(call, None, None)


def is_open(now: dt.datetime) -> sa.ColumnElement[bool]:
    """The condition for calls that one can apply for at ``now``."""
    return sa.and_(
        Call.state == "published",
        sa.or_(Call.opens_at.is_(None), Call.opens_at <= now),
        sa.or_(Call.closes_at.is_(None), Call.closes_at > now),
    )


# Finding ------------------------------------------------------------------------------------------------


def find(actor: Actor, unit: UnitOfWork, name: str) -> Call:
    """The call of a public id; what is not published is for those who may edit it.

    :raises NotFound: also when this actor may not know of it.
    """
    unit.require(actor, READ)
    query = sa.select(Call).where(Call.public_id == name)
    call = unit.session.scalar(query) if is_public_id(name) else None
    if call is None or not (call.state == "published" or edits(actor, unit, call)):
        raise NotFound("没有找到这项申报。 (There is no such call.)")
    return call


def edits(actor: Actor, unit: UnitOfWork, call: Call) -> bool:
    """Whether the actor may change ``call``."""
    return unit.site.access.allows(actor, EDIT, Place(call.region))


def published(actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = 20) -> Page[Call]:
    """Open calls, newest first."""
    unit.require(actor, READ)
    return page(
        unit.session,
        sa.select(Call).where(is_open(unit.now)),
        (Call.created_at, Call.id),
        after=after,
        limit=limit,
    )


def managed(actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = 20) -> Page[Call]:
    """Every call of the regions for which the actor writes them, newest first."""
    unit.require(actor, EDIT)
    ranges = [Call.region.between(*subtree(r)) for r in unit.site.access.regions(actor, EDIT)]
    query = sa.select(Call).where(sa.or_(sa.false(), *ranges))
    return page(unit.session, query, (Call.created_at, Call.id), after=after, limit=limit)


# Writing ------------------------------------------------------------------------------------------------


def _values(unit: UnitOfWork, data: Mapping[str, Any]) -> dict[str, Any]:
    values = load(CallSchema(), data)
    if values["region"] not in unit.site.regions:
        raise _refused("region", f"行政区划代码 {values['region']} 不存在。 (Unknown region code.)")
    opens, closes = values["opens_at"], values["closes_at"]
    if any(m is not None and not 1970 < m.year < 2200 for m in (opens, closes)):
        raise _refused("closes_at", "时间超出范围。 (A moment is out of range.)")
    if opens is not None and closes is not None and opens >= closes:
        raise _refused("closes_at", "截止须晚于开始。 (It must close after it opens.)")
    live = resident(unit.site)
    expression = parse(values["audience"], live.attributes)
    # Also tells an unknown region code inside the expression, which only the table knows.
    meets(expression, Facts(0), unit.site.regions, unit.today)
    return values | {"audience": dump(expression)}


def _still_draft(call: Call) -> None:
    """Say what is wrong in words; whether it is so, :func:`_move` decides.

    :raises Conflict: when it is no draft any more.
    """
    if call.state != "draft":
        raise Conflict(NO_DRAFT)


def _move(unit: UnitOfWork, call: Call, version: int, was: str, **values: Any) -> None:
    """Change the row if it is still what was seen.

    :raises Conflict: when it is not.
    """
    changed = unit.session.execute(
        sa.update(Call)
        .where(Call.id == call.id, Call.version == version, Call.state == was)
        .values(**values, version=Call.version + 1, changed_at=unit.now)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(CHANGED)
    unit.session.refresh(call)


def _draft(call: Call, key: str, address: str) -> Draft:
    """The notice about a call: to exactly those who are eligible, until it closes."""
    more = f"\n\n[查看条件和我的资格]({address})" if address else ""
    return Draft(
        ikey=key,
        title=call.title,
        body=call.summary + more,
        topic=TOPICS[call.kind],
        link=call.link,
        regions=(call.region,),
        audience=call.audience,
        expires_at=call.closes_at,
    )


def _refused(field: str, message: str) -> Invalid:
    return Invalid(message, {field: [message]})
