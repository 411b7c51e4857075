"""What region codes mean on a day: retired codes, successors, subtrees."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from keyun.errors import Invalid, NotFound
from keyun.regions import Tree, level


@dataclass(frozen=True, slots=True)
class Settled:
    """The meaning of codes as of ``today`` or another day, each looked up once.

    A code of a person that is in no table stays what it is, so that its prefix counts.
    """

    places: Tree
    today: dt.date
    known: dict[tuple[str, dt.date], str] = field(default_factory=dict)

    def meaning(self, code: str, on: dt.date | None) -> str:
        """The code that ``code`` stands for on that day: itself, its successor, or what it lay in."""
        key = (code, on or self.today)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._resolve(*key) if code in self.places else code
        return found

    def asked(self, codes: Sequence[str], on: dt.date | None) -> list[str]:
        """What the codes of a clause mean on that day.

        :raises Invalid: when one is in no table.
        """
        unknown = [c for c in codes if c not in self.places]
        if unknown:
            text = f"行政区划代码 {unknown[0]} 不存在。 (Unknown region code {unknown[0]}.)"
            raise Invalid(text, {"audience": [text]})
        return list(dict.fromkeys(self.meaning(c, on) for c in codes))

    def inside(self, having: Iterable[str], codes: Sequence[str], on: dt.date | None) -> list[str]:
        """Which of the codes that people have lie at or below one of ``codes`` on that day."""
        stems = {stem(c) for c in self.asked(codes, on)}
        return [c for c in having if covers(stems, self.meaning(c, on))]

    def _resolve(self, code: str, on: dt.date) -> str:
        try:
            return self.places.resolve(code, on).place.code
        except NotFound:
            return code


def stem(code: str) -> str:
    """What all codes at or below ``code`` begin with; nothing for the country."""
    cut = {"country": 0, "province": 2, "city": 4}
    return code[: cut.get(level(code), 6)]


def covers(stems: Collection[str], code: str) -> bool:
    """Whether ``code`` begins with one of ``stems``."""
    return code in stems or code[:4] in stems or code[:2] in stems or "" in stems
