"""Load divisions and answer questions about them."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from keyun.errors import Invalid, NotFound
from keyun.regions.codes import COUNTRY, level, parent_code, subtree
from keyun.regions.models import Region

LEVELS = ("country", "province", "city", "county")


@dataclass(frozen=True, slots=True)
class Place:
    """One division, detached from the database."""

    code: str
    name: str
    level: str
    parent: str | None
    pinyin: str
    kind: str
    valid_from: dt.date | None
    valid_to: dt.date | None
    successor: str | None

    def valid_on(self, day: dt.date) -> bool:
        """Whether the code existed on ``day``; an unknown bound counts as open, a retired code as gone."""
        if self.valid_from and day < self.valid_from:
            return False
        if self.valid_to:
            return day < self.valid_to
        return self.kind != "retired"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a code means on a day: the place, and a note when it is not the code asked for."""

    place: Place
    note: str = ""


class Tree:
    """All divisions in memory: 3,400 rows, read once by each process."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._by_code = {p.code: p for p in places}
        self._children: dict[str, list[Place]] = {}
        for place in self._by_code.values():
            if place.kind != "retired" and place.parent:
                self._children.setdefault(place.parent, []).append(place)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __len__(self) -> int:
        return len(self._by_code)

    def codes(self) -> Iterable[str]:
        """Every code, retired ones included."""
        return self._by_code.keys()

    def get(self, code: str) -> Place:
        """Return the place of ``code``, retired ones included.

        :raises NotFound: when the code is in no table.
        """
        try:
            return self._by_code[code]
        except KeyError:
            raise NotFound(
                f"行政区划代码 {code} 不存在；六位代码如 511402。 (Unknown region code {code}.)"
            ) from None

    def children(self, code: str) -> list[Place]:
        """The divisions right below ``code`` in code order."""
        return sorted(self._children.get(code, []), key=lambda p: p.code)

    def below(self, code: str) -> list[Place]:
        """Every living division at or below ``code``."""
        low, high = subtree(code)
        return [p for c, p in sorted(self._by_code.items()) if low <= c <= high and p.kind != "retired"]

    def retired(self) -> list[str]:
        """The codes that no longer exist, in order."""
        return sorted(c for c, p in self._by_code.items() if p.kind == "retired")

    def resolve(self, code: str, on: dt.date) -> Resolution:
        """Return what ``code`` means on the day ``on``, following successors, else the parent.

        :raises NotFound: when neither the code nor anything above it is known.
        """
        note, seen = "", set[str]()
        while code not in seen:
            seen.add(code)
            place = self._by_code.get(code)
            if place is not None and place.valid_on(on):
                return Resolution(place, note)
            if place is not None and place.successor:
                note = f"{place.code} {place.name} 已撤销，由 {place.successor} 承继"
                code = place.successor
                continue
            up = (place.parent if place else None) or parent_code(code)
            if (place is None and up is None) or up is None:
                break
            note = f"{code} 在该日无对应区划，归入上级 {up}"
            code = up
        raise NotFound(f"region {code} cannot be resolved on {on}; import a table that covers it")

    def path(self, code: str | None) -> list[Place]:
        """From the province down to ``code``, without nodes that are only in the tree."""
        chain: list[Place] = []
        while code and code != COUNTRY and code in self._by_code:
            place = self._by_code[code]
            if place.kind != "pseudo":
                chain.append(place)
            code = place.parent
        return chain[::-1]

    def name(self, code: str | None) -> str:
        """The full name such as 四川省眉山市丹棱县; empty for no region, the code when unknown."""
        if code == COUNTRY:
            return self._by_code[COUNTRY].name if COUNTRY in self._by_code else "全国"
        return "".join(p.name for p in self.path(code)) or (code or "")


def concerning(column: InstrumentedAttribute[str | None], code: str | None) -> sa.ColumnElement[bool]:
    """The condition for what concerns a place: what lies in it, around it, or is meant for everywhere."""
    if code is None:
        return sa.true()
    above: list[str] = []
    up = parent_code(code)
    while up is not None:
        above.append(up)
        up = parent_code(up)
    return sa.or_(column.is_(None), column.in_(above), column.between(*subtree(code)))


def tree(session: Session) -> Tree:
    """Read every division from the database."""
    rows = session.execute(sa.select(*(c for c in Region.__table__.columns)).order_by(Region.code)).mappings()
    return Tree(Place(**row) for row in rows)


def load_bundled(session: Session) -> int:
    """Bring in the table that ships with Keyun; idempotent. Returns the number of rows."""
    folder = files("keyun.regions") / "data"
    rows = list(csv.DictReader((folder / "regions.csv").read_text(encoding="utf-8").splitlines()))
    retired = list(csv.DictReader((folder / "retired.csv").read_text(encoding="utf-8").splitlines()))
    values = [_row(r) for r in rows] + [_retired(r) for r in retired]
    return _upsert(session, values)


def load_file(session: Session, path: Path) -> int:
    """Import a table ``code,name,level,parent,pinyin,kind[,valid_from,valid_to,successor]`` (UTF-8 CSV).

    :raises Invalid: naming the first bad line; nothing is written then.
    """
    values = []
    with path.open(encoding="utf-8-sig", newline="") as f:
        for number, row in enumerate(csv.DictReader(f), start=2):
            try:
                values.append(_row(row))
            except (KeyError, ValueError) as e:
                raise Invalid(f"{path}, line {number}: {e}; correct the line and import again") from None
    return _upsert(session, values)


def _row(row: Mapping[str, str]) -> dict[str, object]:
    code = row["code"].strip()
    if len(code) != 6 or not code.isdigit():
        raise ValueError(f"code {code!r} must have six digits")
    if row["level"] not in LEVELS:
        raise ValueError(f"level {row['level']!r} must be one of {', '.join(LEVELS)}")

    def day(key: str) -> dt.date | None:
        return dt.date.fromisoformat(row[key]) if row.get(key) else None

    return {
        "code": code,
        "name": row["name"].strip(),
        "level": row["level"],
        "parent": row.get("parent") or None,
        "pinyin": row.get("pinyin") or "",
        "kind": row.get("kind") or "official",
        "valid_from": day("valid_from"),
        "valid_to": day("valid_to"),
        "successor": row.get("successor") or None,
    }


def _retired(row: Mapping[str, str]) -> dict[str, object]:
    code = row["old_code"]
    return _row(
        {
            "code": code,
            "name": row["old_name"],
            "level": level(code),
            "parent": parent_code(code) or "",
            "kind": "retired",
            "successor": row["successor_code"],
        }
    )


def _upsert(session: Session, values: list[dict[str, object]]) -> int:
    known = set(session.scalars(sa.select(Region.code)))
    new = [v for v in values if v["code"] not in known]
    old = [v for v in values if v["code"] in known]
    if new:
        session.execute(sa.insert(Region), new)
    if old:
        session.execute(sa.update(Region), old)
    return len(values)
