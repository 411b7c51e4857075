"""What the contract suite says: checks, what they found, and how to repair it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it stands, what it is, how to repair it."""

    where: str
    what: str
    repair: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found; ``skipped`` when the plugin did not come far enough to be asked."""

    id: str
    title: str
    state: Literal["ok", "failed", "skipped"]
    problems: tuple[Problem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """The reverse of :meth:`as_dict`."""
        problems = tuple(Problem(**p) for p in data["problems"])
        return cls(data["id"], data["title"], data["state"], problems)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.state:<8} {self.id:<32} {self.title}"
        for p in self.problems:
            yield f"         ! {p.where}: {p.what}; {p.repair}"
