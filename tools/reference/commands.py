"""docs/reference/cli.md"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click


def command_page(tree: click.Group) -> str:
    """Usage, help and options of every command."""
    lines = [
        "# Command reference",
        "",
        "Every command takes `-h` or `--help`.",
        "An expected error is one sentence and exit code 1; a wrong call is exit code 2.",
    ]
    for context in _contexts(click.Context(tree, info_name="keyun")):
        command = context.command
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        lines += ["", f"## {context.command_path}", "", f"`{usage}`"]
        lines += ["", inspect.cleandoc(command.help or "")]
        options = (p for p in command.params if isinstance(p, click.Option))
        records = [r for p in options if (r := p.get_help_record(context))]
        lines += ["", *(f"* `{names}` {text}".rstrip() for names, text in records)] if records else []
    return "\n".join(lines) + "\n"


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in sorted(context.command.commands):
            command = context.command.commands[name]
            yield from _contexts(click.Context(command, parent=context, info_name=name))
