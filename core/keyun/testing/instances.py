"""Instance folders for tests, as ``keyun init`` leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keyun.config import FILE, SECRET_FILE
from keyun.plugins import state


def write_instance(
    folder: Path, database_url: str, plugins: Sequence[str], config: Mapping[str, Any]
) -> Path:
    """Write configuration, key and plugin state of an instance whose database exists; returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"database_url": database_url, **config}
    text = "".join(f"{key} = {toml(value)}\n" for key, value in values.items())
    (folder / FILE).write_text(text, encoding="utf-8")
    (folder / SECRET_FILE).write_bytes(b"only for tests, and long enough.")
    state.save(folder / "plugins.toml", plugins)
    return folder


def toml(value: Any) -> str:
    """``value`` as it stands in a TOML file, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
