"""What can be asked about a person: declared by the core of this plugin and, by hook, by others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

Kind = Literal["code", "number", "region", "set"]
Value = str | int
#: Whole numbers that both databases hold.
LEAST, MOST = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an attribute, and what people call it."""

    value: Value
    title: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that is known about people, and where SQL has it.

    ``kind`` is ``code`` (one text), ``number`` (one whole number), ``region`` (one region code) or ``set``
    (any number of texts). ``user`` is a column that holds the user's id, and ``value`` what its row knows of
    him: a column or expression, or a scalar subquery for what lies in another table. NULL means that nothing
    is known.

    A person is read anew after every event whose subject is the user. ``through`` names other subjects
    whose events change what is known: the type of the subject, and the column beside ``user`` that holds
    its id. ``choices`` name the values; with ``open`` there may be others. A new ``version`` says that the
    same values mean something else now.
    """

    name: str
    title: str
    title_en: str
    kind: Kind
    user: Any
    value: Any
    through: Mapping[str, Any] = field(default_factory=dict)
    choices: Sequence[Choice] = ()
    open: bool = True
    version: int = 1

    @property
    def is_text(self) -> bool:
        """Whether values are texts."""
        return self.kind != "number"

    @property
    def table(self) -> sa.FromClause:
        """The table that is read."""
        found: sa.FromClause = self.user.table
        return found

    def rows(self) -> sa.Select[Any]:
        """Who has which value: rows of user id and value, for people of whom something is known."""
        known = self.value.is_not(None)
        return (
            sa.select(self.user.label("user_id"), self.value.label("value"))
            .select_from(self.table)
            .where(known)
        )

    def of(self, user_ids: Sequence[int]) -> sa.Select[Any]:
        """The rows of some people only."""
        return self.rows().where(self.user.in_(user_ids))

    def touched(self, subject_type: str, subject_ids: Sequence[int]) -> sa.Select[Any]:
        """The users whom events about such subjects touch."""
        column = self.through[subject_type]
        return sa.select(self.user).select_from(self.table).where(column.in_(subject_ids))

    def choice(self, value: Value) -> Choice:
        """What people call ``value``; the value itself when it has no name."""
        for choice in self.choices:
            if choice.value == value:
                return choice
        return Choice(value, str(value), str(value))


def by_name(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    """``attributes`` by name, in their order."""
    return {a.name: a for a in attributes}


def definition(attributes: Mapping[str, Attribute]) -> int:
    """A number that changes when an attribute comes, goes, or is read in another way."""
    text = "\n".join(f"{a.name}|{a.kind}|{a.version}|{a.rows()}" for _, a in sorted(attributes.items()))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1
