"""Texts: translated, compiled, and none that gettext cannot see. Templates and assets in their place."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from keyun.testing.contract.report import Problem
from keyun.testing.contract.sources import has_chinese
from keyun.testing.contract.subject import Subject

CATALOGUE = "translations/en/LC_MESSAGES/messages"
CORE = Path(__file__).parents[2]
KEYWORDS: dict[str, None] = {"_": None, "gettext": None, "lazy_gettext": None}
HIDDEN = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}|<!--.*?-->|<[^>]*\blang=[\"']zh[^>]*>[^<]*", re.DOTALL)
INLINE = re.compile(r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son[a-z]+=")


def _templates(s: Subject) -> list[Path]:
    return sorted((s.root / "templates").rglob("*.html"))


def messages(s: Subject) -> dict[str, str]:
    """Every text that gettext sees in code and templates, and where it stands."""
    found: dict[str, str] = {}
    for path in [*s.modules, *_templates(s)]:
        method = "python" if path.suffix == ".py" else "jinja2"
        with path.open("rb") as file:
            for line, text, _comments, _context in extract(
                method, file, KEYWORDS, options={"trimmed": "true"}
            ):
                for one in text if isinstance(text, tuple) else (text,):
                    if one:
                        found.setdefault(one, s.here(path, line))
    return found


def translated(path: Path) -> dict[str, str]:
    """What the catalogue ``path`` translates."""
    found = read_po(io.BytesIO(path.read_bytes()))
    return {str(m.id): str(m.string) for m in found if m.id and m.string and not m.fuzzy}


def translations_complete(s: Subject) -> Iterator[Problem]:
    """Every Chinese text has an English translation."""
    path = s.root / f"{CATALOGUE}.po"
    wanted = {m: where for m, where in messages(s).items() if has_chinese(m)}
    bases = [m.root for m in s.required if m.name == s.manifest.extends]
    files = [f for f in (root / f"{CATALOGUE}.po" for root in (CORE, s.root, *bases)) if f.is_file()]
    known = {text for file in files for text in translated(file)}
    for text, where in wanted.items():
        if text not in known:
            yield Problem(
                where, f"{text!r} has no English translation", f"add it to {s.here(path)} and compile"
            )


def translations_compiled(s: Subject) -> Iterator[Problem]:
    """The compiled catalogue says what the written one says."""
    written, compiled = (s.root / f"{CATALOGUE}.{kind}" for kind in ("po", "mo"))
    if not written.is_file():
        return
    if not compiled.is_file():
        yield Problem(s.here(compiled), "is missing", "run `pybabel compile -d translations` in the package")
        return
    source = translated(written)
    there = {str(m.id): str(m.string) for m in read_mo(io.BytesIO(compiled.read_bytes())) if m.id}
    odd = [str(i) for i in source if source[i] != there.get(i)]
    if odd:
        yield Problem(s.here(compiled), f"is older than the .po ({odd[0]!r})", "run `pybabel compile` again")


def templates_use_gettext(s: Subject) -> Iterator[Problem]:
    """No Chinese text stands bare in a template; gettext would not see it."""
    for path in _templates(s):
        for number, line in enumerate(HIDDEN.sub(_blank, path.read_text(encoding="utf-8")).splitlines(), 1):
            if has_chinese(line):
                yield Problem(s.here(path, number), f"{line.strip()[:40]!r} is bare", 'write {{ _("…") }}')


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def templates_in_folder(s: Subject) -> Iterator[Problem]:
    """Templates lie in templates/<slot>, or stand in for one of a plugin it names or of the core."""
    own = {
        s.slot,
        s.name,
        "keyun",
        *s.manifest.requires,
        *s.manifest.after,
        *filter(None, [s.manifest.replaces]),
    }
    for path in _templates(s):
        inside = path.relative_to(s.root / "templates")
        folder = inside.parts[0]
        if folder not in own:
            yield Problem(s.here(path), f"it stands in the folder {folder}", f"move it to templates/{s.slot}")
        elif folder == "keyun" and not (CORE / "templates" / inside).is_file():
            yield Problem(
                s.here(path),
                "the core has no such template to stand in for",
                f"move it to templates/{s.slot}",
            )


def templates_hold_no_inline_code(s: Subject) -> Iterator[Problem]:
    """Templates hold no inline style and no inline script, which the browser is told to refuse."""
    for path in _templates(s):
        if found := INLINE.search(path.read_text(encoding="utf-8")):
            yield Problem(s.here(path), f"{found[0].strip()!r}", f"put it into static/{s.slot}")


def static_in_folder(s: Subject) -> Iterator[Problem]:
    """Assets lie in static/<slot>."""
    home = s.root / "static"
    for path in sorted(home.rglob("*")):
        if path.is_file() and path.relative_to(home).parts[0] not in (s.slot, s.name):
            yield Problem(s.here(path), "it lies outside static/<slot>", f"move it to static/{s.slot}")


STATIC = (
    translations_complete, translations_compiled, templates_use_gettext, templates_in_folder,
    templates_hold_no_inline_code, static_in_folder,
)  # fmt: skip
LIVE = ()
