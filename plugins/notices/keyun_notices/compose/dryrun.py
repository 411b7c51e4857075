"""The dry run: how many, clause by clause, a few examples without names, and what looks wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.access import Actor
from keyun.accounts import User
from keyun.errors import Invalid
from keyun.regions import contains
from keyun.uow import UnitOfWork
from keyun_notices.audience.evaluate import evaluate
from keyun_notices.audience.expression import EVERYBODY, Expression, Within, leaves, parse
from keyun_notices.audience.places import Settled
from keyun_notices.audience.trial import Caution, Counted, trial
from keyun_notices.compose.convert import SEPARATORS, Field
from keyun_notices.people.resident import attributes as attributes_of
from keyun_notices.people.resident import resident
from keyun_notices.people.services import described
from keyun_notices.publishing.services import conditions

SEND = "notices.notice.send"
COUNT = "notices.audience.count"
SAMPLE = 5
#: Fewer people than this are not shown as examples: each could be guessed.
FEWEST = 20
MOST_WARNINGS = 6
#: So many words are offered to tick for one attribute.
OFFERED = 40
NO_SCOPE = "请至少选一个地区。 (Choose at least one region.)"
NOT_YOURS = "「{name}」不在你负责的地区之内。 ({name} is not among the regions you answer for.)"
UNKNOWN_CODE = "行政区划代码 {code} 不存在。 (Unknown region code {code}.)"


@dataclass(frozen=True, slots=True)
class Example:
    """Somebody in the audience, under a name that means nothing elsewhere."""

    code: str
    region: str | None
    level: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What an audience would be now. ``places`` are the names of the scope."""

    count: int
    of: int
    lines: Sequence[Counted]
    warnings: Sequence[Caution]
    sample: Sequence[Example]
    places: Sequence[str]
    only_region: bool


def check_scope(actor: Actor, unit: UnitOfWork, scope: Sequence[str]) -> None:
    """Whether ``scope`` names known regions for which ``actor`` may send.

    :raises Invalid: with the field ``scope``.
    """
    granted = unit.site.access.regions(actor, SEND)
    tree = unit.site.regions
    message = "" if scope else NO_SCOPE
    for code in scope:
        if code not in tree:
            message = UNKNOWN_CODE.format(code=code)
        elif not any(contains(g, code) for g in granted):
            message = NOT_YOURS.format(name=tree.name(code))
        if message:
            break
    if message:
        raise Invalid(message, {"scope": [message]})


def check_audience(unit: UnitOfWork, audience: Any) -> Expression:
    """The expression that ``audience`` is.

    :raises Invalid: naming the place in it, or a region code that is in no table.
    """
    expression = parse(audience, attributes_of(unit.site))
    places = Settled(unit.site.regions, unit.today)
    for leaf in leaves(expression):
        if isinstance(leaf, Within):
            places.asked(leaf.codes, leaf.on)
    return expression


def dry_run(actor: Actor, unit: UnitOfWork, scope: Sequence[str], audience: Any, salt: str) -> Tried:
    """Try ``audience`` within ``scope``; ``salt`` keeps the names of examples apart from other dry runs.

    :raises Forbidden: when ``actor`` may not count.
    :raises Invalid: when the scope is not his, or the audience is none.
    """
    unit.require(actor, COUNT)
    check_scope(actor, unit, scope)
    attributes, places = attributes_of(unit.site), unit.site.regions
    asked = parse(audience, attributes)
    people = resident(unit.site).people(unit)
    # Clause by clause only those in the scope: nobody counts what lies elsewhere.
    inside = evaluate(conditions(scope, EVERYBODY), people, places, unit.today)
    found = trial(asked, people, attributes, places, unit.today, within=inside, sample=SAMPLE)
    return Tried(
        found.count,
        found.of,
        [c for c in found.clauses if c.path or c.kind == "test"],
        _once(found.warnings),
        _examples(unit, found.sample, salt) if found.count >= FEWEST else (),
        [places.name(c) for c in scope],
        all(isinstance(leaf, Within) for leaf in leaves(asked)),
    )


def matching(actor: Actor, unit: UnitOfWork, scope: Sequence[str], audience: Any) -> BitMap:
    """The ids of all people of ``audience`` within ``scope``, for the services of this folder.

    :raises Forbidden: when ``actor`` may not count.
    :raises Invalid: when the scope is not his, or the audience is none.
    """
    unit.require(actor, COUNT)
    check_scope(actor, unit, scope)
    return resident(unit.site).matching(unit, conditions(scope, check_audience(unit, audience)))


def _once(warnings: Sequence[Caution]) -> list[Caution]:
    """Each sentence once, and not more than anybody reads."""
    said: dict[str, Caution] = {}
    for caution in warnings:
        said.setdefault(caution.says.zh, caution)
    return list(said.values())[:MOST_WARNINGS]


def _examples(unit: UnitOfWork, ids: Sequence[int], salt: str) -> list[Example]:
    rows = unit.session.execute(sa.select(User.id, User.region, User.level).where(User.id.in_(ids)))
    secret = unit.site.runtime.config.secret_file.read_bytes()
    return [Example(_code(secret, salt, number), region, level) for number, region, level in rows]


def _code(secret: bytes, salt: str, number: int) -> str:
    return hashlib.blake2b(f"{salt}|{number}".encode(), key=secret[:64], digest_size=4).hexdigest()


def fields_of(unit: UnitOfWork, language: str) -> dict[str, Field]:
    """The attributes as the builder reads them, named in ``language`` (``zh`` or ``en``)."""
    english = language == "en"
    return {
        a.name: Field(
            a.name,
            a.title_en if english else a.title,
            a.kind,
            tuple((c.value, c.title_en if english else c.title) for c in a.choices),
            a.open,
        )
        for a in attributes_of(unit.site).values()
    }


def suggested(actor: Actor, unit: UnitOfWork, fields: Mapping[str, Field]) -> dict[str, Field]:
    """``fields`` as the builder shows them: where any word may be typed, the most frequent ones to tick."""
    seen = {d.attribute.name: d.values for d in described(actor, unit)}
    return {name: replace(f, choices=_offered(f, seen.get(name, ()))) for name, f in fields.items()}


def _offered(field: Field, values: Sequence[tuple[Any, int]]) -> tuple[tuple[Any, str], ...]:
    if field.inputs not in ("words", "both"):
        return field.choices
    known = {value for value, _ in field.choices}
    more = [(v, str(v)) for v, _ in values if v not in known and not SEPARATORS & set(str(v))]
    return (*field.choices, *more[: max(0, OFFERED - len(known))])
