"""Write a new plugin: a distribution of its own, or a folder of this repository."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from packaging.version import Version

from keyun.errors import KeyunError
from keyun.hookspecs import API_VERSION
from keyun.plugins.manifest import NAME, RESERVED

TEMPLATE = Path(__file__).parent / "template"
TOKEN = re.compile(r"@(name|dist|class|title|title_en|api|next|keyun)@")
#: What a title may not hold, because it stands in Python, TOML, HTML and gettext files.
UNFIT = re.compile(r"[\"'\\{}<>@%&\x00-\x1f\x7f]")
HAN = re.compile("[\u4e00-\u9fff]")
CATALOGUE = "translations/en/LC_MESSAGES/messages.po"


@dataclass(frozen=True, slots=True)
class Names:
    """What the new plugin is called."""

    name: str
    title: str
    title_en: str

    @classmethod
    def of(
        cls, name: str, title: str = "", title_en: str = "", taken: Mapping[str, str] | None = None
    ) -> Names:
        """Check the names; ``taken`` maps the names in use to who uses them.

        :raises KeyunError: saying what a name looks like, or which other name it clashes with.
        """
        if not NAME.fullmatch(name) or name.endswith("_") or "__" in name:
            raise KeyunError(
                f"{name!r} is no plugin name: 2 to 31 lower-case letters, digits and single underscores, "
                "a letter first; try again with such a name"
            )
        if name in RESERVED:
            raise KeyunError(f"{name} is reserved ({', '.join(sorted(RESERVED))}); choose another name")
        for other, owner in (taken or {}).items():
            if other == name:
                raise KeyunError(f"{owner} is called {name} already; choose another name")
            if name.startswith(f"{other}_") or other.startswith(f"{name}_"):
                raise KeyunError(
                    f"the tables of {name} would look like those of {other} ({owner}), "
                    "because one name begins with the other; choose another name"
                )
        english = title_en or name.replace("_", " ").capitalize()
        for text in (title, english):
            if UNFIT.search(text) or len(text) > 40:
                raise KeyunError(f"{text!r} is no title: up to 40 characters without quotes, brackets and %")
        chinese = title or f"{name} 插件"
        if not HAN.search(chinese) or HAN.search(english):
            raise KeyunError("--title is the Chinese name, --title-en the English one; give them like that")
        return cls(name, chinese, english)

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"keyun-plugin-{self.name.replace('_', '-')}"

    def fill(self, text: str) -> str:
        """``text`` with its tokens replaced."""
        api = Version(API_VERSION)
        values = {
            "name": self.name,
            "dist": self.distribution,
            "class": "".join(part.capitalize() for part in self.name.split("_")),
            "title": self.title,
            "title_en": self.title_en,
            "api": API_VERSION,
            "next": str(api.major + 1),
            "keyun": version("keyun"),
        }
        return TOKEN.sub(lambda m: values[m[1]], text)


def write_distribution(names: Names, folder: Path) -> Path:
    """Write the distribution into ``folder``; all of it, or nothing.

    :raises KeyunError: when it is there already.
    """
    files = dict(_package(names, f"keyun_{names.name}"))
    files[f"tests/test_{names.name}.py"] = _read(names, "test.py.tmpl")
    for path in sorted((TEMPLATE / "outside").iterdir()):
        target = path.name.removesuffix(".tmpl").replace("gitignore", ".gitignore")
        files[target] = _read(names, f"outside/{path.name}")
    return _place(files, folder / names.distribution)


def write_bundled(names: Names, root: Path) -> Path:
    """Write ``plugins/<name>`` and its tests into the repository at ``root``; all of it, or nothing.

    :raises KeyunError: when it is there already, or ``root`` is not the repository.
    """
    if not (root / "setup.cfg").is_file() or not (root / "plugins").is_dir():
        raise KeyunError(
            f"{root} is not the repository of Keyun; go to its top folder, or write a distribution of your "
            f"own with `keyun plugins new {names.name} --outside DIR`"
        )
    tests = root / "tests" / "plugins" / names.name
    if tests.exists():
        raise KeyunError(f"{tests} exists already; choose another name or remove it")
    files = dict(_package(names, f"keyun_{names.name}"))
    files["README.md"] = _without_chapters(_read(names, "outside/README.md.tmpl"), "安装", "开发")
    place = _place(files, root / "plugins" / names.name)
    try:
        _place({f"test_{names.name}.py": _read(names, "test.py.tmpl")}, tests)
    except KeyunError:
        shutil.rmtree(place)
        raise
    return place


def missing_edits(name: str, root: Path) -> list[tuple[str, str]]:
    """The lines that ``setup.cfg`` still lacks for a bundled plugin, as (where, line)."""
    import configparser

    setup = configparser.ConfigParser(interpolation=None)
    setup.read(root / "setup.cfg", encoding="utf-8")
    package, place = f"keyun_{name}", f"plugins/{name}"
    cls = "".join(part.capitalize() for part in name.split("_"))
    wanted = [
        ("options", "packages", package),
        ("options", "package_dir", f"{package} = {place}/{package}"),
        ("options.entry_points", "keyun.plugins", f"{name} = {package}.plugin:{cls}Plugin"),
        ("mypy", "mypy_path", place),
        ("coverage:run", "source_pkgs", package),
    ]
    out = []
    for section, key, line in wanted:
        there = re.split(r"\s*[,:\n]\s*", setup[section][key]) if key != "keyun.plugins" else []
        there += setup[section][key].splitlines()
        if line not in there:
            out.append((f"[{section}] {key}", line))
    return out


def _package(names: Names, package: str) -> Iterator[tuple[str, str]]:
    home = TEMPLATE / "package"
    for path in sorted(home.rglob("*.tmpl")):
        target = path.relative_to(home).as_posix().removesuffix(".tmpl")
        target = target.replace("templates/entry/", f"templates/{names.name}/")
        target = target.replace("versions/entry_", f"versions/{names.name}_")
        yield f"{package}/{target}", _read(names, f"package/{path.relative_to(home).as_posix()}")


def _read(names: Names, path: str) -> str:
    return names.fill((TEMPLATE / path).read_text(encoding="utf-8"))


def _without_chapters(text: str, *titles: str) -> str:
    chapters = re.split(r"(?m)^(?=## )", text)
    kept = [c for c in chapters if not c.startswith(tuple(f"## {t}" for t in titles))]
    return "".join(kept).rstrip() + "\n"


def _place(files: Mapping[str, str], folder: Path) -> Path:
    """Write ``files`` beside ``folder`` first and move them there in one step."""
    if folder.exists():
        raise KeyunError(f"{folder} exists already; choose another name or remove it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    except OSError as e:
        raise KeyunError(f"{folder.parent} cannot be written ({e.strerror}); choose another folder") from None
    try:
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if name.endswith(CATALOGUE):
                path.with_suffix(".mo").write_bytes(_compiled(text))
        draft.chmod(0o777 & ~_umask())
        draft.rename(folder)
    except OSError as e:
        raise KeyunError(f"{folder} cannot be written ({e}); nothing was left behind") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _compiled(catalogue: str) -> bytes:
    out = io.BytesIO()
    write_mo(out, read_po(io.BytesIO(catalogue.encode()), locale="en"))
    return out.getvalue()
