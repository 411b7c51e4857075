"""An audience as an expression: what a person must meet, written as JSON.

``{"all": […]}``, ``{"any": […]}``, ``{"not": …}``: every part, one part at least, not this part.
``{"attribute": "level", "is": 3}``: this value.
``{"attribute": "interests", "in": ["茶叶", "柑橘"]}``: one of these values.
``{"attribute": "birth-year", "from": 1981, "to": 2000}``: both ends included; one may be left out.
``{"attribute": "region", "within": ["510000"], "on": "2024-01-01"}``: at or below one of these codes,
as the table of divisions stood on that day, or today without one.

``{"all": []}`` is everybody. A person of whom an attribute is not known meets no clause about it, and so
meets every ``not`` of one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from keyun.errors import Invalid
from keyun_notices.audience.attributes import LEAST, MOST, Attribute, Value

#: How deep an expression may be, how many clauses and values stand in it, how long a text is.
DEPTH, LEAVES, VALUES, LENGTH = 12, 200, 2000, 120
CODE = re.compile(r"[0-9]{6}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts, everybody."""

    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Any:
    """One part at least holds; without parts, nobody."""

    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold: so too for those of whom nothing is known."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Is:
    """The attribute has this value."""

    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """The attribute has one of these values."""

    attribute: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The number lies between ``low`` and ``high``, both included; None is no bound."""

    attribute: str
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Within:
    """The region lies at or below one of ``codes``, as the table stood ``on`` that day (None: today)."""

    attribute: str
    codes: tuple[str, ...]
    on: dt.date | None = None


Leaf = Is | In | Between | Within
Expression = All | Any | Not | Leaf
EVERYBODY = All()


def parse(data: object, attributes: Mapping[str, Attribute]) -> Expression:
    """The expression that ``data``, read from JSON, is.

    :raises Invalid: naming the place in the expression, such as ``all[2].not``.
    """
    return _Reader(attributes).read(data, "", 1)


def dump(expression: Expression) -> dict[str, object]:
    """``expression`` as plain data, which :func:`parse` reads again."""
    match expression:
        case All(parts):
            return {"all": [dump(p) for p in parts]}
        case Any(parts):
            return {"any": [dump(p) for p in parts]}
        case Not(part):
            return {"not": dump(part)}
        case _:
            return {"attribute": expression.attribute} | _test(expression)


def _test(leaf: Leaf) -> dict[str, object]:
    match leaf:
        case Is(_, value):
            return {"is": value}
        case In(_, values):
            return {"in": list(values)}
        case Between(_, low, high):
            return {k: v for k, v in (("from", low), ("to", high)) if v is not None}
        case Within(_, codes, on):
            day: dict[str, object] = {"on": on.isoformat()} if on else {}
            return {"within": list(codes)} | day


def leaves(expression: Expression) -> Iterator[Leaf]:
    """Every clause about an attribute, in the order of writing."""
    match expression:
        case All(parts) | Any(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield expression


def walk(expression: Expression, path: str = "") -> Iterator[tuple[str, Expression]]:
    """Every part with its place, the whole first."""
    yield path, expression
    match expression:
        case All(parts) | Any(parts):
            name = "all" if isinstance(expression, All) else "any"
            for number, part in enumerate(parts):
                yield from walk(part, _join(path, f"{name}[{number}]"))
        case Not(part):
            yield from walk(part, _join(path, "not"))


class _Reader:
    """Reads one expression and counts what stands in it."""

    def __init__(self, attributes: Mapping[str, Attribute]) -> None:
        self.attributes = attributes
        self.leaves = self.values = 0

    def read(self, data: object, path: str, depth: int) -> Expression:
        if not isinstance(data, Mapping):
            _refuse(path, '这里应是一个对象，如 {"all": []}', 'an object such as {"all": []} is expected')
        if depth > DEPTH:
            _refuse(path, f"条件最多嵌套 {DEPTH} 层", f"at most {DEPTH} levels")
        keys = set(data)
        if keys == {"all"}:
            return All(self._parts(data["all"], _join(path, "all"), depth))
        if keys == {"any"}:
            return Any(self._parts(data["any"], _join(path, "any"), depth))
        if keys == {"not"}:
            self._count(path)
            return Not(self.read(data["not"], _join(path, "not"), depth + 1))
        if "attribute" in keys:
            return self._leaf(data, path)
        _refuse(
            path,
            "每个条件只能有 all、any、not 之一，或是 attribute 及其取值",
            "a clause has exactly one of all, any, not, or an attribute with a test",
        )

    def _count(self, path: str) -> None:
        self.leaves += 1
        if self.leaves > LEAVES:
            _refuse(path, f"最多 {LEAVES} 个条件", f"at most {LEAVES} clauses")

    def _parts(self, data: object, path: str, depth: int) -> tuple[Expression, ...]:
        self._count(path)
        if not isinstance(data, list | tuple):
            _refuse(path, "这里应是一个列表", "a list is expected")
        return tuple(self.read(part, f"{path}[{n}]", depth + 1) for n, part in enumerate(data))

    def _leaf(self, data: Mapping[object, object], path: str) -> Expression:
        self._count(path)
        attribute = self._attribute(data["attribute"], path)
        name = attribute.name
        match sorted(map(str, data.keys() - {"attribute"})):
            case ["is"]:
                return Is(name, self._value(attribute, data["is"], _join(path, "is")))
            case ["in"]:
                return In(name, self._values(attribute, data["in"], _join(path, "in")))
            case ["from"] | ["to"] | ["from", "to"]:
                return self._between(attribute, data, path)
            case ["within"] | ["on", "within"]:
                return self._within(attribute, data, path)
        _refuse(
            path,
            f"「{attribute.title}」须有 is、in、from/to、within 之一",
            f"{name} needs one of is, in, from/to, within, and nothing else",
        )

    def _attribute(self, name: object, path: str) -> Attribute:
        attribute = self.attributes.get(name) if isinstance(name, str) else None
        if attribute is None:
            shown = f"「{name[:60]}」" if isinstance(name, str) else ""
            _refuse(
                _join(path, "attribute"),
                f"没有{shown}这个属性；可用的有 {'、'.join(self.attributes)}",
                "unknown attribute; see `keyun notices attributes`",
            )
        return attribute

    def _value(self, attribute: Attribute, value: object, path: str) -> Value:
        self.values += 1
        if self.values > VALUES:
            _refuse(path, f"最多 {VALUES} 个取值", f"at most {VALUES} values")
        if attribute.kind == "region":
            _refuse(path, "地区请用 within", "a region is asked for with within")
        return self._number(value, path) if attribute.kind == "number" else _text(value, path)

    def _values(self, attribute: Attribute, data: object, path: str) -> tuple[Value, ...]:
        if not isinstance(data, list | tuple) or not data:
            _refuse(path, "请至少给一个取值", "give a list of values, one at least")
        values = (self._value(attribute, v, f"{path}[{n}]") for n, v in enumerate(data))
        return tuple(dict.fromkeys(values))

    def _number(self, value: object, path: str) -> int:
        if type(value) is not int or not LEAST <= value <= MOST:
            _refuse(path, "这里应是整数", f"a whole number from {LEAST} to {MOST} is expected")
        return value

    def _between(self, attribute: Attribute, data: Mapping[object, object], path: str) -> Between:
        if attribute.kind != "number":
            _refuse(path, f"「{attribute.title}」不是数字，不能用 from/to", "from/to is for numbers only")
        low, high = (
            self._number(data[k], _join(path, k)) if data.get(k) is not None else None for k in ("from", "to")
        )
        if low is None and high is None:
            _refuse(path, "from 和 to 至少给一个", "give from, to, or both")
        return Between(attribute.name, low, high)

    def _within(self, attribute: Attribute, data: Mapping[object, object], path: str) -> Within:
        if attribute.kind != "region":
            _refuse(path, f"「{attribute.title}」不是地区，不能用 within", "within is for regions only")
        codes = data["within"]
        if not isinstance(codes, list | tuple) or not codes:
            _refuse(
                _join(path, "within"), "请至少给一个地区代码", "give a list of region codes, one at least"
            )
        found = tuple(
            dict.fromkeys(self._code(c, f"{_join(path, 'within')}[{n}]") for n, c in enumerate(codes))
        )
        return Within(attribute.name, found, _day(data.get("on"), _join(path, "on")))

    def _code(self, value: object, path: str) -> str:
        self.values += 1
        if self.values > VALUES:
            _refuse(path, f"最多 {VALUES} 个取值", f"at most {VALUES} values")
        if not isinstance(value, str) or not CODE.fullmatch(value):
            _refuse(path, "地区代码是六位数字", "a region code has six digits")
        return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LENGTH:
        _refuse(path, f"这里应是 1 至 {LENGTH} 个字的文字", f"a text of 1 to {LENGTH} characters is expected")
    if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
        _refuse(path, "含有不能存储的字符", "it has characters that cannot be stored")
    return value


def _day(value: object, path: str) -> dt.date | None:
    if value is None:
        return None
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    _refuse(path, "日期应如 2024-01-01", "a date such as 2024-01-01 is expected")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _refuse(path: str, zh: str, en: str) -> NoReturn:
    """Stop at ``path``.

    :raises Invalid: always.
    """
    where = path or "/"
    message = f"{where}：{zh}。 ({where}: {en}.)"
    raise Invalid(f"人群条件有误，{message}", {"audience": [message]})
