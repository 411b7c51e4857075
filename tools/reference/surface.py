"""docs/reference/surface.md"""

from __future__ import annotations

import importlib
import inspect

from keyun.testing.contract import SURFACE, public_names


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
        lines += ["", f"## {module}", "", "| name | what it is |", "| --- | --- |"]
        lines += [
            f"| `{name}` | {_about(module, name)} |"
            for name in sorted(public_names(module), key=lambda n: (n.lower(), n))
        ]
    return "\n".join(lines) + "\n"


def _about(module: str, name: str) -> str:
    """The first sentence of its docstring; a value without one shows itself."""
    found = getattr(importlib.import_module(module), name)
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return f"`{type(found).__name__}`"
    text = " ".join((inspect.getdoc(found) or "").split())
    end = text.find(". ")
    text = text[: end + 1] if end > 0 else text
    return text.replace("``", "`").replace("|", "\\|")
