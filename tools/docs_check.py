"""Keep documentation and code in agreement.

``python tools/docs_check.py`` exits 1 and names what is wrong when a page of docs/reference is stale, a
relative link in any Markdown file is broken, a shell example calls a ``keyun`` command or option that
does not exist, or a configuration key is explained nowhere. ``--write`` writes docs/reference anew.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from keyun.plugins import Plugin
from reference import reference
from reference.code import ROOT, bundled, command_tree
from reference.configuration import tables

EXPLAINED = "docs/operate/configuration.md"
#: Folders that hold nothing of ours.
FOREIGN = frozenset({"build", "dist", "demo-instance", "node_modules"})
SHELLS = frozenset({"", "sh", "bash", "shell", "console", "ini"})
FENCE = re.compile(r"^ {0,3}(```+|~~~+) *([A-Za-z0-9_+-]*)")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
SEPARATORS = frozenset({"&&", "||", "|", ";", "&"})


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
    for title, schema in tables(plugins).items():
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
