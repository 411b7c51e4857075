"""What an association changes without touching code: templates, texts and files in its instance folder.

A mistake in them is named in the log and by ``keyun doctor``; the site goes on with the original.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import PoFileError, read_po
from jinja2 import BaseLoader, Environment, FileSystemLoader, TemplateNotFound, TemplateSyntaxError

log = logging.getLogger(__name__)
NAME = re.compile(r"%\((\w+)\)([a-z])")
MESSAGES = Path("LC_MESSAGES", "messages.po")


class Overrides(FileSystemLoader):
    """Templates of the instance; one that is broken is left out, so that the original serves."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The source of ``template``."""
        source, path, uptodate = super().get_source(environment, template)
        if problem := _broken(environment, source, path):
            log.error("%s; the original is used", problem)
            raise TemplateNotFound(template)
        return source, path, uptodate


def template_problems(instance: Path, originals: BaseLoader) -> Iterator[str]:
    """Templates of the instance that are broken, or that stand in nobody's place."""
    folder = instance / "templates"
    environment = Environment(loader=originals, extensions=["jinja2.ext.i18n"], autoescape=True)
    known = set(environment.list_templates())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if problem := _broken(environment, path.read_text(encoding="utf-8", errors="replace"), str(path)):
            yield f"{problem}; the original is used"
        elif name not in known:
            yield f"{path}: no template is called {name}; is its plugin enabled?"


def _broken(environment: Environment, source: str, path: str) -> str:
    try:
        environment.parse(source, None, path)
    except TemplateSyntaxError as e:
        return f"{path}, line {e.lineno}: {e.message}"
    return ""


def catalogues(instance: Path, languages: Iterable[str]) -> tuple[dict[str, Catalog], list[str]]:
    """The texts in ``translations/<language>/LC_MESSAGES/messages.po`` (or ``.mo``), and what is wrong.

    A file that cannot be read is left out, and so is each text that does not keep its placeholders.
    """
    found, problems = dict[str, Catalog](), list[str]()
    for language in languages:
        source = instance / "translations" / language / MESSAGES
        source = source if source.is_file() else source.with_suffix(".mo")
        try:
            found[language] = _read(source, language) if source.is_file() else Catalog(language)
        except PoFileError as e:
            problems.append(f"{source}, line {e.lineno + 1} is not understood; none of its texts is used")
        # A damaged file fails in many other ways.
        except Exception as e:
            problems.append(f"{source}: {type(e).__name__}: {e}; none of its texts is used")
        found.setdefault(language, Catalog(language))
        problems += [f"{source}, {text}" for text in _leave_out(found[language])]
    others = {p for p in (instance / "translations").glob("*") if p.is_dir() and p.name not in found}
    return found, problems + [f"{p}: there is no such language here" for p in sorted(others)]


def strange_texts(found: Mapping[str, Catalog], shipped: Iterable[Path]) -> Iterator[str]:
    """Originals in ``found`` that no page says: nobody will see what stands for them."""
    known: set[Any] = set()
    for path in (p for folder in shipped for p in folder.glob("*/LC_MESSAGES/messages.mo")):
        with path.open("rb") as file:
            known |= {m.id for m in read_mo(file)}
    for language, catalog in found.items():
        for message in catalog:
            if message.id and message.id not in known:
                yield f"translations/{language}: no text reads {message.id!r}; copy it exactly as it is shown"


def compile_catalogues(instance: Path, languages: Iterable[str]) -> tuple[Path, list[str]]:
    """Compile what :func:`catalogues` finds; returns the folder, and what is wrong."""
    folder = instance / "run" / "translations"
    found, problems = catalogues(instance, languages)
    for language, catalog in found.items():
        try:
            _write(folder / language / MESSAGES.with_suffix(".mo"), catalog)
        except OSError as e:
            problems.append(f"{folder} cannot be written, texts of this instance are not used: {e}")
    return folder, problems


def _read(path: Path, language: str) -> Catalog:
    with path.open("rb") as file:
        if path.suffix == ".mo":
            return read_mo(file)
        return read_po(file, locale=language, abort_invalid=True)


def _leave_out(catalog: Catalog) -> Iterator[str]:
    """Drop texts that would break the page they stand on."""
    for message in list(catalog):
        originals = message.id if isinstance(message.id, list | tuple) else [message.id]
        texts = message.string if isinstance(message.string, list | tuple) else [message.string]
        if message.id and any(t and not _fits(originals, t) for t in texts):
            catalog.delete(message.id, message.context)
            yield f"line {message.lineno or '?'}: the placeholders of {originals[0]!r} are not kept; left out"


def _fits(originals: list[str] | tuple[str, ...], text: str) -> bool:
    names: dict[str, Any] = {
        name: 1 if kind == "d" else "x" for original in originals for name, kind in NAME.findall(original)
    }
    try:
        _ = originals[0] % names
    except (KeyError, TypeError, ValueError):
        return True
    try:
        return bool(text % names)
    except (KeyError, TypeError, ValueError):
        return False


def _write(path: Path, catalog: Catalog) -> None:
    """Write the compiled catalogue in one step; other processes may be reading it."""
    compiled = BytesIO()
    write_mo(compiled, catalog)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(compiled.getvalue())
    os.replace(temporary, path)
