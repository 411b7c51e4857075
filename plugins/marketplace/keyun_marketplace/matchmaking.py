"""Who fits whom, and why: the matcher's answers joined with what people may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.accounts import Organization
from keyun.content import Content, plain, published, values
from keyun.errors import KeyunError
from keyun.events import Committed
from keyun.plugins import Derived
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_marketplace import index, scoring
from keyun_marketplace.matching.engine import Answer
from keyun_marketplace.matching.records import Candidate, Query
from keyun_marketplace.models import NEED, OFFER, PERSON, Match, Need, Offer, Person
from keyun_marketplace.records import day, findable, query_of
from keyun_marketplace.scoring import Found

PEOPLE = 6
#: What is read of an offer or a need to show it as a match.
SHOWN = (
    "id", "public_id", "type", "title", "summary", "body", "region", "discipline", "keywords", "owner_id",
    "organization_id", "published_at", "changed_at", "extra",
)  # fmt: skip
#: An inbox shows what scores at least this share of the best match, and no more than so many.
INBOX_SHARE = 0.35
INBOX_MOST = 10
NO_WORDS = (
    "还没有匹配：请写明是什么作物、设备、材料、工艺或现象。"
    " (No match yet: add what crop, device, material, process or symptom it is about.)"
)
NOTHING = (
    "暂时没有匹配的内容；换个说法，或补充关键词和领域。 (No match yet: add keywords or use other words.)"
)


@dataclass(frozen=True, slots=True)
class Matched:
    """All matches for one text: ``offers`` holds offers, or needs when an offer was asked with."""

    offers: Sequence[Found] = ()
    people: Sequence[Found] = ()
    reason: str = ""
    behind: int = 0
    ranked: Sequence[Found] = field(default_factory=tuple)

    @property
    def best(self) -> float:
        """The highest score, to measure the others by."""
        return max((f.score for f in self.ranked), default=1.0)


def match_text(
    actor: Actor, unit: UnitOfWork, text: str, region: str | None = None, top: int | None = None
) -> Matched:
    """Match a sentence that nobody has posted yet. Open to everyone: it shows what is public."""
    query = Query(body=text, region=region if region in unit.site.regions else None, day=day(unit.now))
    return _match(actor, unit, "offers", query, top)


def match_item(actor: Actor, unit: UnitOfWork, item: Content, top: int | None = None) -> Matched:
    """Offers and people for a need, or needs for an offer. The item was found for this actor before."""
    assert isinstance(item, Need | Offer)
    side = "offers" if isinstance(item, Need) else "needs"
    return _match(actor, unit, side, query_of(item, unit.now), top)


def _match(actor: Actor, unit: UnitOfWork, side: str, query: Query, top: int | None) -> Matched:
    live = index.live(unit.site, side)
    matcher = live.asks(unit)
    most = top or int(unit.site.plugins.settings("marketplace")["matches"])
    kinds = {"offer": most, "person": top or PEOPLE} if side == "offers" else {"need": most}
    answer = scoring.answered(unit.site, side, matcher, query, scoring.widened(unit.site, kinds))
    found = _best(scoring.ranked(unit.site, query, _shown(actor, unit, answer)), kinds)
    if not answer.usable:
        return Matched(reason=NO_WORDS, behind=live.behind)
    people = [f for f in found if f.kind == "person"]
    items = [f for f in found if f.kind != "person"]
    return Matched(items, people, "" if found else NOTHING, live.behind, found)


def _best(ranked: Sequence[Found], kinds: Mapping[str, int]) -> list[Found]:
    """The first of each kind, as many as are asked for."""
    found: list[Found] = []
    left = dict(kinds)
    for f in ranked:
        if left.get(f.kind, 0) > 0:
            left[f.kind] -= 1
            found.append(f)
    return found


def _shown(actor: Actor, unit: UnitOfWork, answer: Answer) -> list[Found]:
    """Join candidates with their current rows; what is no longer public is left out."""
    candidates = [c for found in answer.candidates.values() for c in found]
    items: dict[int, Any] = {}
    for kind, model in (("offer", Offer), ("need", Need)):
        items |= _items(unit, model, [c.key for c in candidates if c.kind == kind])
    people = _people(unit, [-c.key for c in candidates if c.kind == "person"])
    found: list[Found] = []
    for c in candidates:
        if c.kind == "person" and -c.key in people:
            found.append(_person(actor, c, people[-c.key]))
        elif c.kind != "person" and c.key in items:
            found.append(_item(actor, unit, c, items[c.key]))
    return found


def _items(unit: UnitOfWork, model: type[Offer] | type[Need], ids: Sequence[int]) -> Mapping[int, Any]:
    """Rows of columns, by id: a page shows a dozen and changes none, so no objects are made of them."""
    if not ids:
        return {}
    names = (getattr(model, name) for name in SHOWN)
    query = sa.select(*names, Organization.name.label("organization_name")).outerjoin(model.organization)
    return {r.id: r for r in unit.session.execute(query.where(model.id.in_(ids), published(unit.now)))}


def _people(unit: UnitOfWork, ids: Sequence[int]) -> Mapping[int, Person]:
    if not ids:
        return {}
    query = sa.select(Person).where(Person.id.in_(ids), findable())
    return {p.id: p for p in unit.session.scalars(query)}


def _item(actor: Actor, unit: UnitOfWork, c: Candidate, item: Any) -> Found:
    return Found(
        kind=c.kind,
        target_id=item.id,
        public_id=item.public_id,
        title=item.title,
        summary=item.summary or plain(item.body, 120),
        region=item.region,
        discipline=item.discipline,
        owner=item.organization_name or "",
        keywords=item.keywords,
        score=c.score,
        parts=c.parts,
        owner_id=item.owner_id,
        can_ask=item.owner_id is not None and not actor.owns(item),
        day=day(item.published_at or item.changed_at),
        added=values(unit.site.content_type(item.type), item),
    )


def _person(actor: Actor, c: Candidate, person: Person) -> Found:
    return Found(
        kind=c.kind,
        target_id=person.id,
        public_id=person.public_id,
        title=person.title,
        summary=person.summary,
        region=person.region,
        discipline=person.discipline,
        owner="",
        keywords=person.keywords,
        score=c.score,
        parts=c.parts,
        owner_id=person.user_id,
        can_ask=person.user_id != actor.user_id,
        day=day(person.changed_at),
    )


# What the worker stores for inboxes -----------------------------------------------------------------


def rows_for_need(unit: UnitOfWork, need_id: int) -> list[dict[str, Any]]:
    """The matches of a need that are worth an inbox; none when it is no longer public."""
    need = unit.session.scalars(sa.select(Need).where(Need.id == need_id, published(unit.now))).first()
    if need is None:
        return []
    matched = match_item(_nobody(), unit, need, INBOX_MOST)
    return [_row(need_id, f, unit) for f in _worth(matched.ranked)]


def rows_for_offer(unit: UnitOfWork, offer_id: int) -> list[dict[str, Any]]:
    """The needs that a new offer is worth telling about, as matches of those needs."""
    offer = unit.session.scalars(sa.select(Offer).where(Offer.id == offer_id, published(unit.now))).first()
    if offer is None:
        return []
    rows: list[dict[str, Any]] = []
    for need in _worth(match_item(_nobody(), unit, offer, INBOX_MOST).ranked):
        rows += [
            r
            for r in rows_for_need(unit, need.target_id)
            if (r["kind"], r["target_id"]) == ("offer", offer_id)
        ]
    return rows


def _worth(ranked: Sequence[Found]) -> list[Found]:
    best = ranked[0].score if ranked else 0.0
    return [f for f in ranked if f.score >= INBOX_SHARE * best][:INBOX_MOST]


def _row(need_id: int, found: Found, unit: UnitOfWork) -> dict[str, Any]:
    return {
        "need_id": need_id,
        "kind": found.kind,
        "target_id": found.target_id,
        "owner_id": found.owner_id,
        "score": found.score,
        "parts": [{"name": p.name, "value": p.value, "text": p.text} for p in found.parts],
        "found_at": unit.now,
    }


def store(unit: UnitOfWork, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write matches; one that is known keeps the moment it was first found."""
    for row in rows:
        key = (row["need_id"], row["kind"], row["target_id"])
        known = unit.session.get(Match, key)
        if known is None:
            unit.session.add(Match(**row))
        else:
            known.score, known.parts = row["score"], row["parts"]


def find_need(unit: UnitOfWork, external_id: str) -> Need | None:
    """A public need by its external id, as it came from an import."""
    query = sa.select(Need).where(Need.external_id == external_id, published(unit.now))
    return unit.session.scalars(query).first()


# Looking after the index -----------------------------------------------------------------------------


def note(site: Site, event: Committed) -> None:
    """Bring this process up to date right after a commit of ours, so that the next page need not."""
    if event.subject_type not in (OFFER, NEED, PERSON):
        return
    with site.reading() as unit:
        index.live(site, "needs" if event.subject_type == NEED else "offers").matcher(unit)


def rebuild(site: Site, progress: index.Progress = lambda text: None) -> dict[str, int]:
    """Build both sides anew; returns the number of records of each."""
    return {name: index.rebuild(site, name, progress) for name in index.sides()}


def merge_if_due(site: Site) -> None:
    """Build a side anew when it is missing, damaged, or enough has changed since."""
    limit = int(site.plugins.settings("marketplace")["merge_after"])
    for name in index.sides():
        try:
            with site.reading() as unit:
                due = index.lag(site, unit, name).events >= limit
        except KeyunError:
            due = True
        if due:
            index.rebuild(site, name)


def verify(site: Site) -> dict[str, dict[str, int]]:
    """Compare what this process would answer from with SQL, record by record and version by version."""
    reports: dict[str, dict[str, int]] = {}
    for name, side in index.sides().items():
        with site.reading() as unit:
            live = index.live(site, name)
            have = live.matcher(unit).versions()
            want = {r.key: r.version for r in side.stream(unit)}
        reports[name] = {
            "records": len(want),
            "missing": len(want.keys() - have.keys()),
            "stale": sum(1 for k, v in want.items() if k in have and have[k] != v),
            "extra": len(have.keys() - want.keys()),
            "behind": live.behind,
        }
    return reports


def problems(site: Site) -> Iterable[str]:
    """What ``keyun doctor`` should say about the match index."""
    for name, report in verify(site).items():
        if report["missing"] or report["stale"] or report["extra"]:
            yield f"{name} differs from the database {report}; run `keyun marketplace index rebuild`"


def derived(site: Site) -> tuple[Derived, ...]:
    """What the page of indexes shows; above ``MOST_UNREAD`` events answers are incomplete."""
    titles = {"offers": _("匹配索引：科技所能与人"), "needs": _("匹配索引：科技所需")}
    return tuple(
        Derived(f"marketplace.{n}", titles[n], partial(index.lag, site, name=n), index.MOST_UNREAD)
        for n in index.sides()
    )


def _nobody() -> Actor:
    return Actor()
