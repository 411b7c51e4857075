"""docs/reference/surface.md"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, cast

from keyun.testing.contract import SURFACE, public_names

#: What a constructor gives to its object; two may stand in one assignment.
ASSIGNED = re.compile(r"\bself\.([a-z]\w*)\b(?=[^=()]*=[^=])")


def surface_page() -> str:
    """Every public name of every public module."""
    lines = [
        "# Public surface",
        "",
        "What a plugin may import: these names, from these modules, and nothing else of Keyun.",
        "They change only with the version of the plugin API; `keyun plugins check` looks at the imports.",
        "`keyun.__version__` is public as well.",
    ]
    for module in SURFACE:
        lines += ["", f"## {module}", "", "| name | what it is | what it has |", "| --- | --- | --- |"]
        for name in sorted(public_names(module), key=lambda n: (n.lower(), n)):
            found = getattr(importlib.import_module(module), name)
            cells = (f"`{_call(name, found)}`", _about(found), _members(found))
            lines.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    return "\n".join(lines) + "\n"


def _call(name: str, found: Any) -> str:
    """How a function or a dataclass is called; other things are just named."""
    if not (inspect.isroutine(found) or (is_dataclass(found) and _ours(found))):
        return name
    parts, star = [], False
    for p in inspect.signature(cast("Callable[..., Any]", found)).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(_argument(p))
    return f"{name}({', '.join(parts)}){_answer(found)}"


def _argument(p: inspect.Parameter) -> str:
    mark = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
    kind = "" if p.annotation is p.empty else f": {p.annotation}"
    # A set has no order, a function no text of its own.
    shown = "…" if isinstance(p.default, frozenset) or callable(p.default) else repr(p.default)
    return f"{mark}{p.name}{kind}" + ("" if p.default is p.empty else f" = {shown}")


def _answer(found: Any) -> str:
    answer = "None" if inspect.isclass(found) else inspect.signature(found).return_annotation
    return "" if answer in ("None", None, inspect.Signature.empty) else f" -> {answer}"


def _members(found: Any) -> str:
    """What an object of a class of ours offers beside the arguments of its call."""
    if not (inspect.isclass(found) and _ours(found)):
        return ""
    given = {f.name for f in fields(found)} if is_dataclass(found) else set()
    names: set[str] = set()
    for kind in filter(_ours, found.__mro__):
        names |= {*vars(kind), *inspect.get_annotations(kind)}
        if "__init__" in vars(kind) and not is_dataclass(kind):
            names |= set(ASSIGNED.findall(inspect.getsource(vars(kind)["__init__"])))
    return ", ".join(f"`{n}`" for n in sorted(names - given) if not n.startswith("_"))


def _ours(found: Any) -> bool:
    return str(found.__module__).partition(".")[0] == "keyun"


def _about(found: Any) -> str:
    """The first sentence of its docstring; a value without one shows itself."""
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return f"`{type(found).__name__}`"
    text = " ".join((inspect.getdoc(found) or "").split())
    end = text.find(". ")
    text = text[: end + 1] if end > 0 else text
    return text.replace("``", "`")
