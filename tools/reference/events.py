"""docs/reference/events.md"""

from __future__ import annotations

from collections.abc import Sequence

from keyun.events.names import EVENTS
from keyun.plugins import Plugin


def event_page(plugins: Sequence[Plugin]) -> str:
    """Every event that core and plugins record."""
    lines = [
        "# 事件 / Events",
        "",
        "事件写入日志后不再改变；`keyun_committed` 在提交后得到它们。",
        "",
        "Events are written into the log and never change; `keyun_committed` hears of them after the commit.",
        "An import records many at once and is heard of by followers of the log only.",
        "A plugin names its events in `Plugin.events`.",
    ]
    lines += _table("核心 / Core", EVENTS)
    for plugin in plugins:
        if plugin.events:
            lines += _table(f"{plugin.manifest.title} / {plugin.name}", plugin.events)
    return "\n".join(lines) + "\n"


def _table(title: str, events: object) -> list[str]:
    assert isinstance(events, dict)
    rows = [f"| `{name}` | {text} |" for name, text in events.items()]
    return ["", f"## {title}", "", "| 事件 / event | 何时 / when |", "| --- | --- |", *rows]
