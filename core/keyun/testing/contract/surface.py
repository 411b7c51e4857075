"""What a plugin may import: the public surface, its own package, and the plugins it requires."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache

from keyun.testing.contract.report import Problem
from keyun.testing.contract.sources import imports
from keyun.testing.contract.subject import Subject

#: The modules whose ``__all__`` is the public surface of Keyun.
SURFACE = (
    "keyun.plugins", "keyun.db", "keyun.uow", "keyun.access", "keyun.errors", "keyun.jobs", "keyun.content",
    "keyun.regions", "keyun.accounts", "keyun.events", "keyun.exchange", "keyun.search", "keyun.forms",
    "keyun.api", "keyun.files", "keyun.messages", "keyun.site", "keyun.web.context", "keyun.cli.console",
    "keyun.testing", "keyun.testing.contract", "keyun.testing.mail", "keyun.testing.search",
)  # fmt: skip
VERSION = ("keyun", "__version__")


@cache
def public_names(module: str) -> frozenset[str]:
    """The names that ``module`` promises to keep."""
    return frozenset(importlib.import_module(module).__all__)


def is_public(module: str, name: str) -> bool:
    """Whether ``from module import name`` (or ``import module``) stays on the surface."""
    if (module, name) == VERSION or (not name and module in ("keyun", *SURFACE)):
        return True
    if f"{module}.{name}" in SURFACE:
        return True
    return module in SURFACE and name in public_names(module)


def imports_public_surface(s: Subject) -> Iterator[Problem]:
    """It uses only the public surface of Keyun (docs/reference/surface.md)."""
    for path, tree in s.modules.items():
        for one in imports(tree):
            if one.module.partition(".")[0] == "keyun" and not is_public(one.module, one.name):
                told = f"{one.module}.{one.name}".rstrip(".")
                yield Problem(
                    s.here(path, one.line),
                    f"{told} is not public",
                    "use what docs/reference/surface.md names",
                )


def imports_required_plugins(s: Subject) -> Iterator[Problem]:
    """It imports another plugin only when the manifest requires or extends it."""
    allowed = {s.package, *(m.entry_point.module.partition(".")[0] for m in s.required)}
    others = {m.entry_point.module.partition(".")[0] for m in s.installation.manifests.values()} - allowed
    for path, tree in s.modules.items():
        for one in imports(tree):
            package = one.module.partition(".")[0]
            if package in others or (package.startswith("keyun_") and package not in allowed):
                yield Problem(s.here(path, one.line), f"it imports {package}", "add the plugin to requires")
            elif package in allowed - {s.package} and one.name.startswith("_"):
                yield Problem(
                    s.here(path, one.line), f"{one.module}.{one.name} is private", "ask for a public name"
                )


def hooks_are_wired_only(s: Subject) -> Iterator[Problem]:
    """Hook methods wire and decide nothing: at most nine lines each."""
    for path, tree in s.modules.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("keyun_"):
                continue
            if len(node.body) == 1 and ast.get_docstring(node):
                # A specification: its docstring is the contract, and may be as long as it needs.
                continue
            if (node.end_lineno or node.lineno) - node.lineno > 9:
                yield Problem(
                    s.here(path, node.lineno), f"{node.name} is long", "move the work into services.py"
                )


STATIC = (imports_public_surface, imports_required_plugins, hooks_are_wired_only)
