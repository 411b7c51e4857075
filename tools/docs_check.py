"""Keep documentation and code in agreement.

``python tools/docs_check.py`` exits 1 and names what is wrong when a page of docs/reference is stale, a
relative link in any Markdown file is broken, a shell example calls a ``keyun`` command or option that
does not exist, or a configuration key is explained nowhere. ``--write`` writes docs/reference anew.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from marshmallow import Schema, missing, validate
from marshmallow import fields as schema_fields

from keyun import hookspecs
from keyun.cli import COMMANDS, cli
from keyun.config import SECTIONS, ConfigSchema, ReviewRuleSchema
from keyun.plugins import Plugin
from keyun.plugins.manager import Installation, PluginManager

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = "docs/reference"
EXPLAINED = "docs/operate/configuration.md"
NOTE = "<!-- Written by `python tools/docs_check.py --write` from the code; do not edit. -->\n"
#: Folders that hold nothing of ours.
FOREIGN = frozenset({"build", "dist", "demo-instance", "node_modules"})
SHELLS = frozenset({"", "sh", "bash", "shell", "console", "ini"})
FENCE = re.compile(r"^ {0,3}(```+|~~~+) *([A-Za-z0-9_+-]*)")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
SEPARATORS = frozenset({"&&", "||", "|", ";", "&"})


# What the code has --------------------------------------------------------------------------------------


def bundled() -> list[Plugin]:
    """The plugins of this repository, loaded without an instance.

    :raises PluginError: when one cannot be loaded, naming what is missing.
    """
    found = Installation.scan()
    names = [n for n, m in found.manifests.items() if getattr(m.entry_point.dist, "name", "") == "keyun"]
    manager = PluginManager.load(names, {}, found)
    manager.raise_faults()
    return sorted(manager.plugins.values(), key=lambda p: p.manifest.group)


def command_tree(plugins: Sequence[Plugin]) -> click.Group:
    """``keyun`` with every core command and the groups of ``plugins``."""
    tree = click.Group("keyun", params=cli.params, help=cli.help)
    for name, (module, attribute, _) in COMMANDS.items():
        tree.add_command(getattr(import_module(module), attribute), name)
    for plugin in plugins:
        commands = {c.name or "": c for c in getattr(plugin, "keyun_commands", tuple)()}
        if commands:
            text = f"Commands of the plugin `{plugin.name}`, there while it is enabled."
            tree.add_command(click.Group(plugin.manifest.group, commands=commands, help=text))
    return tree


# The pages of docs/reference ----------------------------------------------------------------------------


def reference() -> dict[str, str]:
    """Every generated page: its path below the repository and its text."""
    plugins = bundled()
    pages = {
        "cli": command_page(command_tree(plugins)),
        "hooks": hook_page(plugins),
        "configuration": configuration_page(plugins),
    }
    return {f"{REFERENCE}/{name}.md": NOTE + text for name, text in pages.items()}


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


def hook_page(plugins: Sequence[Plugin]) -> str:
    """Signature and contract of every hook, and the values they return."""
    lines = [
        "# Hook reference",
        "",
        f"Plugin API {hookspecs.API_VERSION}.",
        "Import `hookimpl` and the values below from `keyun.plugins`.",
        "How a plugin is made stands in [Writing a plugin](../develop/plugins.md).",
    ]
    for name, spec in vars(hookspecs).items():
        if not hasattr(spec, "keyun_spec"):
            continue
        users = [f"`{p.name}`" for p in sorted(plugins, key=lambda p: p.name) if hasattr(p, name)]
        lines += ["", f"## {name}", "", "```python", f"def {name}{_signature(spec)}", "```", ""]
        lines += [inspect.cleandoc(spec.__doc__ or ""), "", f"Used by {', '.join(users)}."]
    lines += ["", "## Values"]
    for name, value in vars(hookspecs).items():
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == hookspecs.__name__:
            lines += ["", f"### {name}", "", inspect.cleandoc(value.__doc__ or ""), ""]
            lines += [f"* `{_field(f)}`" for f in fields(value)]
    return "\n".join(lines) + "\n"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    arguments = ["self", *(f"{p.name}: {p.annotation}" for p in signature.parameters.values())]
    return f"({', '.join(arguments)}) -> {signature.return_annotation}: ..."


def _field(field: Any) -> str:
    default = "" if field.default is MISSING else f" = {field.default!r}"
    return f"{field.name}: {field.type}{default}"


def configuration_page(plugins: Sequence[Plugin]) -> str:
    """Every key of ``keyun.toml`` with its type, default, what is allowed, and its variable."""
    lines = [
        "# Configuration reference",
        "",
        "What each key does stands in [配置](../operate/configuration.md).",
        "The environment wins over `keyun.toml`.",
    ]
    for title, schema in _tables(plugins).items():
        lines += ["", f"## {title}", "", inspect.cleandoc(schema.__doc__ or ""), ""]
        lines += ["| key | type | default | allowed | environment |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(title, name, field) for name, field in schema().fields.items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _tables(plugins: Sequence[Plugin]) -> dict[str, type[Schema]]:
    """The table headings of ``keyun.toml`` and the schema of each."""
    whole = ConfigSchema().fields
    top = {n: f for n, f in whole.items() if not isinstance(f, schema_fields.Nested | schema_fields.Dict)}
    found = {"Top level": Schema.from_dict(top)}
    found["Top level"].__doc__ = "These keys stand above the first table."
    for section in SECTIONS:
        nested = whole[section]
        assert isinstance(nested, schema_fields.Nested)
        found[f"[{section}]"] = type(nested.schema)
    found["[[content.review]]"] = ReviewRuleSchema
    for plugin in plugins:
        if plugin.settings_schema().fields:
            found[f"[plugin.{plugin.slot}]"] = plugin.settings_schema
    return found


def _row(title: str, name: str, field: schema_fields.Field[Any]) -> str:
    table = title.strip("[]").replace(".", "_").upper()
    variable = f"`KEYUN_{table}__{name.upper()}`"
    if title == "Top level":
        variable = f"`KEYUN_{name.upper()}`"
    elif title.startswith("[[") or isinstance(field, schema_fields.List):
        variable = ""
    default = field.load_default
    shown = "required" if default is missing else "`[]`" if callable(default) else f"`{_toml(default)}`"
    cells = (f"`{name}`", type(field).__name__.lower(), shown, _allowed(field), variable)
    return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _allowed(field: schema_fields.Field[Any]) -> str:
    told = []
    for rule in field.validators:
        if isinstance(rule, validate.OneOf):
            told.append(", ".join(f"`{c}`" for c in rule.choices))
        elif isinstance(rule, validate.Range):
            told.append(f"{rule.min} to {rule.max}")
        elif isinstance(rule, validate.Length):
            told.append(f"{rule.min or 0} to {rule.max} characters")
        elif isinstance(rule, validate.Regexp):
            told.append(f"`{rule.regex.pattern!s}`")
    return "; ".join(told)


# The pages people write -----------------------------------------------------------------------------------


def markdown_files(root: Path) -> list[Path]:
    """Every Markdown file of the repository."""
    return sorted(
        path
        for path in root.rglob("*.md")
        if not any(p.startswith(".") or p in FOREIGN for p in path.relative_to(root).parts[:-1])
    )


def blocks(text: str) -> Iterator[tuple[int, str | None, str]]:
    """The lines of a page as (number, language of the fence it stands in or None, line)."""
    fence, language = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and not fence:
            fence, language = mark[1], mark[2].lower()
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        else:
            yield number, language if fence else None, line


def broken_links(root: Path, path: Path) -> Iterator[str]:
    """Relative links of one page that lead to no file, or to no heading of it."""
    for number, language, line in blocks(path.read_text(encoding="utf-8")):
        if language is not None:
            continue
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z][a-z0-9+.-]*:|//", target):
                continue
            name, _, anchor = target.partition("#")
            goal = path if not name else (root if name.startswith("/") else path.parent) / name.lstrip("/")
            where = f"{path.relative_to(root)}:{number}"
            if not goal.exists():
                yield f"{where}: the link {target} leads to no file"
            elif anchor and goal.suffix == ".md" and anchor not in _anchors(goal):
                yield f"{where}: {name or path.name} has no heading #{anchor}"


def _anchors(path: Path) -> set[str]:
    lines = (line for _, language, line in blocks(path.read_text(encoding="utf-8")) if language is None)
    titles = (line.lstrip("#").strip().lower() for line in lines if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def wrong_commands(root: Path, path: Path, tree: click.Group) -> Iterator[str]:
    """Calls of ``keyun`` in the shell examples of one page that name no command or option."""
    for number, language, line in blocks(path.read_text(encoding="utf-8")):
        if language not in SHELLS:
            continue
        for words in calls(line):
            if problem := wrong_call(words, tree):
                yield f"{path.relative_to(root)}:{number}: {problem}"


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of every ``keyun`` call in a line of shell or of a systemd unit."""
    text = line.strip().removeprefix("$ ").removeprefix("ExecStart=")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        tokens = [*lexer, ";"]
    except ValueError:
        return
    words: list[str] = []
    for token in tokens:
        if token not in SEPARATORS:
            words.append(token)
            continue
        place = _call_at(words)
        if place is not None:
            yield words[place:]
        words = []


def _call_at(words: Sequence[str]) -> int | None:
    """Where the arguments begin when ``words`` call ``keyun``, behind assignments and sudo."""
    at = 0
    while at < len(words) and ASSIGNMENT.match(words[at]):
        at += 1
    if words[at : at + 1] == ["sudo"]:
        at += 3 if words[at + 1 : at + 2] == ["-u"] else 1
    if words[at + 1 : at + 3] == ["-m", "keyun"]:
        return at + 3
    return at + 1 if at < len(words) and words[at].rpartition("/")[2] == "keyun" else None


def wrong_call(words: Sequence[str], tree: click.Group) -> str | None:
    """Why ``keyun <words>`` cannot be called, or None."""
    command: click.Command = tree
    path = "keyun"
    rest = iter(words)
    for word in rest:
        if word.startswith("-") and word != "-":
            name, mark, _ = word.partition("=")
            option = _option(command, name)
            if option is None and name not in ("-h", "--help"):
                return f"`{path}` has no option {name}"
            if option is not None and not option.is_flag and not mark:
                next(rest, None)
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return f"there is no command `{path} {word}`"
            command, path = command.commands[word], f"{path} {word}"
    return None


def _option(command: click.Command, name: str) -> click.Option | None:
    for param in command.params:
        if isinstance(param, click.Option) and name in (*param.opts, *param.secondary_opts):
            return param
    return None


# The whole check -------------------------------------------------------------------------------------------


def stale(root: Path, pages: Mapping[str, str]) -> Iterator[str]:
    """Generated pages that differ from what the code says now."""
    for name, text in pages.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{name} is stale; run `python tools/docs_check.py --write`"


def unexplained(root: Path, plugins: Sequence[Plugin]) -> Iterator[str]:
    """Configuration keys that the page for operators does not name."""
    text = (root / EXPLAINED).read_text(encoding="utf-8")
    for title, schema in _tables(plugins).items():
        for name in schema().fields:
            if f"`{name}`" not in text:
                yield f"{EXPLAINED}: the key `{name}` of {title} is not explained"


def check(root: Path) -> list[str]:
    """Everything that is wrong with the documentation below ``root``."""
    plugins = bundled()
    tree = command_tree(plugins)
    problems = [*stale(root, reference()), *unexplained(root, plugins)]
    for path in markdown_files(root):
        problems += broken_links(root, path)
    examples = [root / "README.md", root / "README.zh-CN.md", *sorted((root / "docs").rglob("*.md"))]
    for path in examples:
        problems += wrong_commands(root, path, tree)
    return problems


def write(root: Path) -> None:
    """Write the generated pages."""
    for name, text in reference().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Check, or write with ``--write``; returns the exit code."""
    if list(arguments) not in ([], ["--write"]):
        print("usage: python tools/docs_check.py [--write]", file=sys.stderr)
        return 2
    if arguments:
        write(ROOT)
    problems = check(ROOT)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
