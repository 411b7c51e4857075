"""Clauses and what is known of a person, in Chinese and English."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from keyun.regions import Tree
from keyun_notices.audience.attributes import Attribute, Choice, Value
from keyun_notices.audience.expression import All, Any, Between, Expression, In, Is, Leaf, Not, Within

#: How many values a sentence names before it counts the rest.
NAMED = 6
UNKNOWN = ("未填写", "not stated")


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence in both languages."""

    zh: str
    en: str

    def text(self, language: str) -> str:
        """The sentence in ``language``; Chinese unless it is English."""
        return self.en if language.startswith("en") else self.zh


def describe(expression: Expression, attributes: Mapping[str, Attribute], places: Tree) -> Words:
    """What ``expression`` asks for, as one line."""
    match expression:
        case All(()):
            return Words("所有人", "everybody")
        case Any(()):
            return Words("没有人", "nobody")
        case All(parts) | Any(parts):
            found = [describe(p, attributes, places) for p in parts]
            and_ = isinstance(expression, All)
            return Words(
                _bracketed([f.zh for f in found], "，且" if and_ else "，或"),
                _bracketed([f.en for f in found], " and " if and_ else " or "),
            )
        case Not(part):
            inner = describe(part, attributes, places)
            return Words(f"不满足（{inner.zh}）", f"not ({inner.en})")
        case _:
            return clause(expression, attributes, places)


def clause(leaf: Leaf, attributes: Mapping[str, Attribute], places: Tree) -> Words:
    """What one clause asks for."""
    attribute = attributes[leaf.attribute]
    name, name_en = attribute.title, attribute.title_en
    match leaf:
        case Is(_, value):
            values = _values(attribute, (value,), places)
            return Words(f"{name}为{values.zh}", f"{name_en} is {values.en}")
        case In(_, some):
            values = _values(attribute, some, places)
            return Words(f"{name}为{values.zh}之一", f"{name_en} is one of {values.en}")
        case Between(_, low, high):
            return _between(attribute, low, high, places)
        case Within(_, codes, on):
            where = _values(attribute, codes, places)
            day = (f"（按 {on} 的区划）", f" (divisions of {on})") if on else ("", "")
            return Words(f"{name}在{where.zh}{day[0]}", f"{name_en} in {where.en}{day[1]}")


def person(attribute: Attribute, known: Collection[Value], places: Tree) -> Words:
    """What is known of a person."""
    if not known:
        return Words(*UNKNOWN)
    return _values(attribute, sorted(known, key=str), places)


def _between(attribute: Attribute, low: int | None, high: int | None, places: Tree) -> Words:
    ends = [_values(attribute, (v,), places) if v is not None else None for v in (low, high)]
    name, name_en = attribute.title, attribute.title_en
    match ends:
        case [None, Words() as most]:
            return Words(f"{name}不高于 {most.zh}", f"{name_en} up to {most.en}")
        case [Words() as least, None]:
            return Words(f"{name}不低于 {least.zh}", f"{name_en} from {least.en}")
        case [Words() as least, Words() as most]:
            return Words(f"{name}从 {least.zh} 到 {most.zh}", f"{name_en} from {least.en} to {most.en}")
    return Words(name, name_en)


def _values(attribute: Attribute, values: Sequence[Value], places: Tree) -> Words:
    chosen = [_choice(attribute, v, places) for v in values[:NAMED]]
    more = len(values) - len(chosen)
    rest = (f"等 {len(values)} 项", f" and {more} more") if more else ("", "")
    return Words(
        "、".join(c.title for c in chosen) + rest[0], ", ".join(c.title_en for c in chosen) + rest[1]
    )


def _choice(attribute: Attribute, value: Value, places: Tree) -> Choice:
    if attribute.kind == "region":
        name = places.name(str(value))
        return Choice(value, name, name)
    return attribute.choice(value)


def _bracketed(parts: Sequence[str], joint: str) -> str:
    return parts[0] if len(parts) == 1 else "(" + joint.join(parts) + ")"
