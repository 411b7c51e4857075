"""Look after the resident people: save them, compare them with SQL, say how far behind the file is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import lazy_gettext as _
from pyroaring import BitMap

from keyun.events import Cursor, Event, Lag, lag_behind
from keyun.plugins import Derived
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.audience.evaluate import People
from keyun_notices.people import build
from keyun_notices.people.resident import MOST_UNREAD, resident

#: So many ids of a difference are shown.
SHOWN = 5
DIFFERS = "the resident people differ from the database; run `keyun notices rebuild`"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where bitmaps and SQL disagree: ``missing`` are people that SQL has, ``extra`` those it has not."""

    attribute: str
    missing: int
    extra: int
    examples: tuple[int, ...]


def verify(site: Site) -> tuple[int, list[Difference]]:
    """Compare what this process answers from with SQL, attribute by attribute.

    Returns the number of people and the differences. Both sides are read from one snapshot on SQLite; on
    PostgreSQL changes that commit meanwhile may show as differences that are gone the next time.
    """
    live = resident(site)
    with site.reading() as unit:
        have = live.people(unit)
        want = build.build(unit.session, live.attributes)
    return len(want.universe), list(differences(have, want))


def differences(have: People, want: People) -> Iterable[Difference]:
    """Where two pictures of the same people disagree."""
    missing, extra = want.universe - have.universe, have.universe - want.universe
    if missing or extra:
        yield Difference("active", len(missing), len(extra), tuple((missing | extra)[:SHOWN]))
    for name in sorted({*want.values, *have.values}):
        right, wrong = want.values.get(name, {}), have.values.get(name, {})
        less, more = BitMap(), BitMap()
        for value in {*right, *wrong}:
            ours, theirs = wrong.get(value, BitMap()), right.get(value, BitMap())
            less |= theirs - ours
            more |= ours - theirs
        if less or more:
            yield Difference(name, len(less), len(more), tuple((less | more)[:SHOWN]))


def save_if_due(site: Site) -> None:
    """Save the people when there is no usable file yet, or enough has changed since."""
    live = resident(site)
    limit = int(site.plugins.settings("notices")["save_after"])
    with site.reading() as unit:
        note = live.saved(unit.session)
        due = note is None or _lag(unit, live.kinds, note.cursor).events >= limit
    if due:
        live.save()


def lag(site: Site, unit: UnitOfWork) -> Lag:
    """How far the file is behind; audiences see the unread events all the same."""
    live = resident(site)
    note = live.saved(unit.session)
    return _lag(unit, live.kinds, note.cursor) if note is not None else Lag()


def problems(site: Site) -> Iterable[str]:
    """What ``keyun doctor`` should say about the resident people."""
    for d in verify(site)[1]:
        yield f"people: {d.attribute} lacks {d.missing} and has {d.extra} too many; {DIFFERS}"


def derived(site: Site) -> Derived:
    """What the page of indexes shows."""
    return Derived("notices.people", _("推送人群"), lambda unit: lag(site, unit), MOST_UNREAD)


def _lag(unit: UnitOfWork, kinds: Iterable[str], cursor: Cursor) -> Lag:
    return lag_behind(unit.session, cursor, Event.subject_type.in_(kinds))
