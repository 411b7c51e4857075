"""docs/reference/hooks.md"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import ModuleType
from typing import Any

from keyun import hookspecs
from keyun.defaults import Core
from keyun.plugins import Plugin
from keyun.plugins.deprecation import ADDED, since


def hook_page(plugins: Sequence[Plugin]) -> str:
    """Signature and contract of every hook, and the values they return."""
    lines = [
        "# Hook reference",
        "",
        f"Plugin API {hookspecs.API_VERSION}.",
        "Import `hookimpl` and the values below from `keyun.plugins`.",
        "How a plugin is made stands in [Writing a plugin](../develop/plugins.md).",
        "A hook that answers once asks the plugins from the last loaded to the first and takes the first",
        "answer that is not None; every other one asks all and collects.",
        "",
        "| hook | since | answers | used by |",
        "| --- | --- | --- | --- |",
    ]
    ours = dict(_specs(hookspecs))
    lines += [_summary(name, spec, plugins) for name, spec in ours.items()]
    for name, spec in ours.items():
        lines += _contract(name, spec)
    lines += ["", "## Values"]
    for name, value in vars(hookspecs).items():
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == hookspecs.__name__:
            lines += ["", f"### {name}", "", inspect.cleandoc(value.__doc__ or ""), ""]
            lines += [f"* `{_field(f)}`" for f in fields(value)]
    for plugin in plugins:
        if plugin.offers is not None:
            lines += ["", f"## Offered by the plugin {plugin.name}", ""]
            lines += ["Implement them with `@hookimpl(optionalhook=True)` when that plugin may be off."]
            for name, spec in _specs(plugin.offers):
                lines += _contract(name, spec, "###")
    return "\n".join(lines) + "\n"


def _specs(module: ModuleType) -> Iterator[tuple[str, Any]]:
    return ((n, s) for n, s in vars(module).items() if hasattr(s, "keyun_spec"))


def _summary(name: str, spec: Any, plugins: Sequence[Plugin]) -> str:
    users = [f"`{p.name}`" for p in sorted(plugins, key=lambda p: p.name) if hasattr(p, name)]
    users = [*(["the core"] if hasattr(Core, name) else []), *users]
    answers = "once" if spec.keyun_spec.get("firstresult") else "all"
    return f"| [`{name}`](#{name}) | {since(spec) or '1.0'} | {answers} | {', '.join(users)} |"


def _contract(name: str, spec: Any, mark: str = "##") -> list[str]:
    """Heading, signature and docstring of one hook."""
    text = ADDED.sub("", inspect.cleandoc(spec.__doc__ or "")).rstrip()
    lines = [
        "",
        f"{mark} {name}",
        "",
        "```python",
        f"def {name}{_signature(spec)}",
        "```",
        "",
        _markdown(text),
    ]
    if added := since(spec):
        lines += ["", f"New in plugin API {added}."]
    notices = spec.keyun_spec.get("warn_on_impl"), spec.keyun_spec.get("warn_on_impl_args")
    lines += [f"Deprecated: {n}" for n in notices if n]
    return lines


def _markdown(text: str) -> str:
    """Roles and double ticks of reST as Markdown has them."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    arguments = ["self", *(f"{p.name}: {p.annotation}" for p in signature.parameters.values())]
    return f"({', '.join(arguments)}) -> {signature.return_annotation}: ..."


def _field(field: Any) -> str:
    default = "" if field.default is MISSING else f" = {field.default!r}"
    return f"{field.name}: {field.type}{default}"
