"""What an operator reads before he enables the plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyun.testing.contract.report import Problem
from keyun.testing.contract.subject import Subject

#: Chapters of the README, by a word of their heading in either language.
CHAPTERS = {
    "what it does": r"功能|有什么|what is there|what it does|features",
    "settings": r"设置|配置|settings|configuration",
    "permissions": r"权限|permissions|who may",
    "data it keeps": r"数据|data",
}


def readme(s: Subject) -> str:
    """The README of the plugin: beside the package, inside it, or the description of its distribution."""
    for path in (s.root.parent / "README.md", s.root / "README.md"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    dist = s.manifest.entry_point.dist
    if dist is None or dist.name.lower() == "keyun":
        return ""
    text = dist.read_text("METADATA") or ""
    return text.partition("\n\n")[2]


def _bundled_without_sources(s: Subject) -> bool:
    """Our own plugins in an installed wheel; their READMEs are in the source tree, where tests check them."""
    dist = s.manifest.entry_point.dist
    return dist is not None and dist.name.lower() == "keyun" and not readme(s)


def readme_present(s: Subject) -> Iterator[Problem]:
    """There is a README for operators."""
    if len(readme(s)) < 200 and not _bundled_without_sources(s):
        yield Problem("README.md", "it is missing or says next to nothing", "write it beside the package")


def readme_has_chapters(s: Subject) -> Iterator[Problem]:
    """The README says what the plugin does, its settings, its permissions and the data it keeps."""
    headings = " ".join(re.findall(r"(?m)^#+ (.*)$", readme(s))).lower()
    for what, words in CHAPTERS.items():
        if headings and not re.search(words, headings):
            yield Problem("README.md", f"no chapter on {what}", "add a heading and what belongs below it")


def settings_documented(s: Subject) -> Iterator[Problem]:
    """The README names every setting."""
    text = readme(s)
    for name in s.plugin.settings_schema().fields:
        if text and f"`{name}`" not in text:
            yield Problem("README.md", f"the setting `{name}` is not named", "say what it does")


def permissions_documented(s: Subject) -> Iterator[Problem]:
    """The README names the objects of every permission."""
    text = readme(s)
    for thing in sorted({p.name.rpartition(".")[0] for p in s.ask("keyun_permissions")}):
        if text and f"`{thing}." not in text:
            yield Problem("README.md", f"the permissions {thing}.… are not named", "say who has them")


def tables_documented(s: Subject) -> Iterator[Problem]:
    """The README names every table."""
    text = readme(s)
    for table, _ in s.tables():
        if text and table.name.startswith(f"{s.name}_") and f"`{table.name}`" not in text:
            yield Problem("README.md", f"the table `{table.name}` is not named", "say what it keeps")


STATIC = (readme_present, readme_has_chapters)
LIVE = (settings_documented, permissions_documented, tables_documented)
