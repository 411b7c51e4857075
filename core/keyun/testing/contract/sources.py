"""Questions about source files, answered without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Imported:
    """One imported name: ``from module import name``; ``name`` is empty for ``import module``."""

    module: str
    name: str
    line: int


def trees(root: Path) -> dict[Path, ast.Module]:
    """Every module below ``root``, migrations left out.

    :raises SyntaxError: naming the file.
    """
    paths = sorted(p for p in root.rglob("*.py") if "migrations" not in p.relative_to(root).parts)
    return {p: ast.parse(p.read_text(encoding="utf-8"), str(p)) for p in paths}


def imports(tree: ast.Module, package: str = "") -> Iterator[Imported]:
    """What a module imports; a relative import is one of ``package``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Imported(a.name, "", node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = f"{package}.{module}".rstrip(".")
            yield from (Imported(module, a.name, node.lineno) for a in node.names)


def recorded(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The names in ``unit.record(…)`` and ``unit.record_many(…)`` as glob patterns, with their lines.

    A name that is put together has a ``*`` for each part that is not written there; a name that comes
    out of a variable is left out.
    """
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "record" and len(node.args) > 2:
            yield from _pattern(node.args[0])
        elif node.func.attr == "record_many" and len(node.args) > 1:
            for inner in ast.walk(node.args[1]):
                if isinstance(inner, ast.Tuple) and inner.elts:
                    yield from _pattern(inner.elts[0])


def _pattern(node: ast.expr) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno
    elif isinstance(node, ast.JoinedStr):
        parts = [str(v.value) if isinstance(v, ast.Constant) else "*" for v in node.values]
        yield "".join(parts), node.lineno


def constants(modules: Mapping[Path, ast.Module]) -> set[str]:
    """Every text that is written in the code."""
    return {
        node.value
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def has_chinese(text: str) -> bool:
    """Whether there is a Han character in ``text``."""
    return any("\u4e00" <= c <= "\u9fff" for c in text)
