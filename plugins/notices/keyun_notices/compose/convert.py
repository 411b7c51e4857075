"""Between the builder and the audience as JSON: every builder has a JSON, not every JSON fits the builder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyun_notices.compose.state import JOINS, MOST_CLAUSES, MOST_GROUPS, Builder, Clause, Group

INCOMPLETE = "请至少选一项。 (Choose at least one.)"
NO_CHOICE = "有一项不在可选之列，请重新选择。 (One of these is no choice; choose again.)"
NO_BOUND = "请填写起或止。 (Give at least one of the two bounds.)"
NO_NUMBER = "请填写整数。 (Give whole numbers.)"
BACKWARDS = "起不能大于止。 (The first number is larger than the second.)"
NO_DAY = "请填写日期，如 2024-01-01。 (Give a date such as 2024-01-01.)"
GONE = "本站没有这个属性，请删除此条件。 (This site has no such attribute; remove the condition.)"
#: What ends a typed word.
SEPARATORS = frozenset(",，、;；\n\r")
#: Beyond what any column of whole numbers holds.
MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute as the builder shows it; ``choices`` are (value, text), with ``open`` there are others."""

    name: str
    title: str
    kind: str
    choices: tuple[tuple[Any, str], ...] = ()
    open: bool = True

    @property
    def inputs(self) -> str:
        """What the form asks with: ``region``, ``bounds``, ``ticks``, ``words``, or ``both`` of these two."""
        if self.kind == "region":
            return "region"
        if self.kind == "number":
            return "ticks" if self.choices and not self.open else "bounds"
        if not self.choices:
            return "words"
        return "both" if self.open else "ticks"

    def value(self, text: str) -> Any:
        """The value that the form calls ``text``."""
        return next((value for value, _ in self.choices if str(value) == text), text)

    def others(self, texts: Sequence[str]) -> list[str]:
        """Those of ``texts`` that are no choice."""
        known = {str(value) for value, _ in self.choices}
        return [t for t in texts if t not in known]


Fields = Mapping[str, Field]
Json = dict[str, Any]


def to_json(builder: Builder, fields: Fields) -> tuple[Json, dict[str, str]]:
    """The audience that ``builder`` says, and what is wrong by the key of the clause (``g0-c1``).

    What is wrong is left out of the audience: with complaints it must not be used. No clause at all is
    everybody, ``{"all": []}``; a group without clauses says nothing.
    """
    wrong: dict[str, str] = {}
    parts = []
    for i, group in enumerate(builder.groups):
        leaves = [_clause(c, fields, f"g{i}-c{j}", wrong) for j, c in enumerate(group.clauses)]
        found = [leaf for leaf in leaves if leaf is not None]
        if found:
            joined = found[0] if len(found) == 1 else {group.join: found}
            parts.append({"not": joined} if group.negate else joined)
    whole = parts[0] if len(parts) == 1 else {builder.join if parts else "all": parts}
    return whole, wrong


def _clause(clause: Clause, fields: Fields, key: str, wrong: dict[str, str]) -> Json | None:
    field = fields.get(clause.attribute)
    if field is None:
        wrong[key] = GONE
        return None
    makers = {"bounds": _number, "region": _region}
    said = makers.get(field.inputs, _choice)(clause, field)
    if isinstance(said, str):
        wrong[key] = said
        return None
    leaf = {"attribute": field.name, **said}
    return {"not": leaf} if clause.negate else leaf


def _choice(clause: Clause, field: Field) -> Json | str:
    if not clause.values:
        return INCOMPLETE
    if field.inputs == "ticks" and field.others(clause.values):
        return NO_CHOICE
    values = [field.value(v) for v in clause.values]
    return {"is": values[0]} if len(values) == 1 else {"in": values}


def _number(clause: Clause, field: Field) -> Json | str:
    if not (clause.low or clause.high):
        return NO_BOUND
    bounds = {key: _whole(text) for key, text in (("from", clause.low), ("to", clause.high)) if text}
    if None in bounds.values():
        return NO_NUMBER
    low, high = bounds.get("from"), bounds.get("to")
    return BACKWARDS if low is not None and high is not None and low > high else dict(bounds)


def _region(clause: Clause, field: Field) -> Json | str:
    if not clause.values:
        return INCOMPLETE
    said: Json = {"within": list(clause.values)}
    if clause.on:
        try:
            said["on"] = dt.date.fromisoformat(clause.on).isoformat()
        except ValueError:
            return NO_DAY
    return said


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else None


def from_json(data: Any, fields: Fields) -> Builder | None:
    """The builder that says what ``data`` says; None when it is too deep or too rich for the form.

    ``data`` is an audience that was parsed; whatever else it is, the answer is None and no error.
    """
    if data == {"all": []}:
        return Builder()
    alone = _group(data, fields)
    if alone is not None:
        return Builder("all", (alone,))
    join, parts = _joined(data)
    if not join or not 0 < len(parts) <= MOST_GROUPS:
        return None
    groups = [_group(part, fields) for part in parts]
    found = tuple(g for g in groups if g is not None)
    return Builder(join, found) if len(found) == len(parts) else None


def _group(data: Any, fields: Fields) -> Group | None:
    leaf = _leaf(data, fields)
    if leaf is not None:
        return Group("all", False, (leaf,))
    negate = isinstance(data, Mapping) and set(data) == {"not"}
    join, parts = _joined(data["not"] if negate else data)
    if not join or not 0 < len(parts) <= MOST_CLAUSES:
        return None
    leaves = [_leaf(part, fields) for part in parts]
    found = tuple(c for c in leaves if c is not None)
    return Group(join, negate, found) if len(found) == len(parts) else None


def _joined(data: Any) -> tuple[str, Sequence[Any]]:
    if isinstance(data, Mapping) and len(data) == 1:
        (join, parts), *_ = data.items()
        if join in JOINS and isinstance(parts, list):
            return join, parts
    return "", ()


def _leaf(data: Any, fields: Fields) -> Clause | None:
    if isinstance(data, Mapping) and set(data) == {"not"}:
        inner = _said(data["not"], fields)
        return (
            None
            if inner is None
            else Clause(inner.attribute, True, inner.values, inner.low, inner.high, inner.on)
        )
    return _said(data, fields)


def _said(data: Any, fields: Fields) -> Clause | None:
    """The clause of one comparison; None when the form has no inputs for it."""
    field = fields.get(str(data.get("attribute"))) if isinstance(data, Mapping) else None
    if field is None:
        return None
    said = {k: v for k, v in data.items() if k != "attribute"}
    if field.kind == "region":
        ok = set(said) <= {"within", "on"} and said.get("within")
        return Clause(field.name, values=tuple(said["within"]), on=said.get("on") or "") if ok else None
    if field.kind == "number" and said and set(said) <= {"from", "to"}:
        return _bounds(field, said.get("from"), said.get("to"))
    if set(said) == {"is"}:
        return _values(field, [said["is"]])
    return _values(field, said["in"]) if set(said) == {"in"} and said["in"] else None


def _bounds(field: Field, low: int | None, high: int | None) -> Clause | None:
    if field.inputs == "bounds":
        return Clause(field.name, low="" if low is None else str(low), high="" if high is None else str(high))
    inside = [v for v, _ in field.choices if (low is None or v >= low) and (high is None or v <= high)]
    return _values(field, inside) if inside else None


def _values(field: Field, values: Sequence[Any]) -> Clause | None:
    if field.inputs == "bounds":
        number = str(values[0])
        return Clause(field.name, low=number, high=number) if len(values) == 1 else None
    texts = tuple(str(v) for v in values)
    # What the form would read back as something else stays JSON.
    same = all(
        field.value(t) == v and type(field.value(t)) is type(v) for t, v in zip(texts, values, strict=True)
    )
    typed = field.others(texts)
    lost = typed and (field.inputs == "ticks" or any(t != t.strip() or SEPARATORS & set(t) for t in typed))
    return Clause(field.name, values=texts) if same and not lost else None
