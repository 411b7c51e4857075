"""What the builder page holds: groups of clauses as they were clicked, and what its buttons do to them.

Everything lies in the form, so that the page works without a script and nothing is kept on the server.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from werkzeug.datastructures import MultiDict

from keyun.forms import Words

JOINS = ("all", "any")
MOST_GROUPS = 8
MOST_CLAUSES = 12
#: Longer texts than any value has.
MOST_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition as typed: texts that may still be wrong or missing."""

    attribute: str
    negate: bool = False
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Clauses of which all or any must hold, or (``negate``) must not."""

    join: str = "all"
    negate: bool = False
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Builder:
    """Groups of which all or any must hold."""

    join: str = "all"
    groups: tuple[Group, ...] = (Group(),)


Form = MultiDict[str, str]


def read(form: Form) -> Builder:
    """The builder that was sent, with nothing judged."""
    numbers = [i for i in range(MOST_GROUPS) if f"g{i}-join" in form]
    groups = tuple(_group(form, f"g{i}") for i in numbers)
    return Builder(_join(form.get("join")), groups or (Group(),))


def _group(form: Form, key: str) -> Group:
    clauses = (_clause(form, f"{key}-c{j}") for j in range(MOST_CLAUSES))
    found = tuple(c for c in clauses if c.attribute)
    return Group(_join(form.get(f"{key}-join")), bool(form.get(f"{key}-not")), found)


def _clause(form: Form, key: str) -> Clause:
    def text(name: str) -> str:
        return form.get(f"{key}-{name}", "").strip()[:MOST_LENGTH]

    return Clause(
        text("attribute"),
        bool(form.get(f"{key}-not")),
        picked(form, key),
        text("from"),
        text("to"),
        text("on"),
    )


def picked(form: Form, key: str) -> tuple[str, ...]:
    """The values chosen under ``key``: those ticked, and typed words."""
    words = split(form.get(f"{key}-words", ""))
    found = [*form.getlist(f"{key}-value"), *words]
    return tuple(dict.fromkeys(v[:MOST_LENGTH] for v in found if v))


def split(text: str) -> list[str]:
    """Words typed in one line, separated by comma, semicolon or line break."""
    return Words("", most=2000, length=10_000).deserialize(text) if text else []


def _join(text: str | None) -> str:
    return text if text in JOINS else JOINS[0]


def press(builder: Builder, do: str, form: Form) -> tuple[Builder, str]:
    """What the button ``do`` makes of the builder, and the id of what the person works on next.

    Buttons are ``group``, ``drop:GROUP``, ``drop:GROUP:CLAUSE`` and ``add:GROUP``; others change nothing.
    """
    verb, *where = do.split(":")
    numbers = [int(n) for n in where if n.isascii() and n.isdigit() and len(n) < 4]
    if verb == "group" and len(builder.groups) < MOST_GROUPS:
        groups = (*builder.groups, Group())
        return replace(builder, groups=groups), f"g{len(groups) - 1}-new"
    if not numbers or numbers[0] >= len(builder.groups):
        return builder, ""
    at = numbers[0]
    if verb == "add":
        return _add(builder, at, form.get(f"g{at}-new", ""))
    if verb == "drop" and len(numbers) == 1:
        left = builder.groups[:at] + builder.groups[at + 1 :]
        return replace(builder, groups=left or (Group(),)), "add-group"
    if verb == "drop":
        group = builder.groups[at]
        kept = tuple(c for j, c in enumerate(group.clauses) if j != numbers[1])
        return _with(builder, at, replace(group, clauses=kept)), f"g{at}-new"
    return builder, ""


def _add(builder: Builder, at: int, attribute: str) -> tuple[Builder, str]:
    group = builder.groups[at]
    if not attribute or len(group.clauses) >= MOST_CLAUSES:
        return builder, f"g{at}-new"
    clauses = (*group.clauses, Clause(attribute[:MOST_LENGTH]))
    return _with(builder, at, replace(group, clauses=clauses)), f"g{at}-c{len(clauses) - 1}"


def _with(builder: Builder, at: int, group: Group) -> Builder:
    groups = (*builder.groups[:at], group, *builder.groups[at + 1 :])
    return replace(builder, groups=groups)
