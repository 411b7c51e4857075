"""Texts with ``{name}`` in them, as operators write them into the settings."""

from __future__ import annotations

from collections.abc import Mapping


def filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """``templates`` with each ``{name}`` replaced once: what people wrote is no template."""
    return {k: fill(v, values) for k, v in templates.items()}


def fill(template: str, values: Mapping[str, str]) -> str:
    """One template; braces around an unknown name stay."""
    pieces = template.split("{")
    done = [pieces[0]]
    for piece in pieces[1:]:
        name, closed, rest = piece.partition("}")
        done.append(values[name] + rest if closed and name in values else "{" + piece)
    return "".join(done)


def cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
