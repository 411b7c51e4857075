"""Read a page the way the checks need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from keyun.testing.contract.sources import has_chinese

VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
#: Inputs that need no label.
SILENT = frozenset({"hidden", "submit", "button", "reset", "image"})


@dataclass
class Page:
    """Headings, unlabelled fields, forms without a token, and Chinese text in <main> outside lang="zh-…"."""

    title: str = ""
    headings: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    unguarded: int = 0
    foreign: list[str] = field(default_factory=list)


def read(html: str) -> Page:
    """What stands on the page ``html``."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.page.unlabelled += [n for i, n in reader.fields if i not in reader.labels]
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.fields: list[tuple[str, str]] = []
        self.labels: set[str] = set()
        #: Open elements with the language that holds inside them.
        self.open: list[tuple[str, str]] = []
        self.form: dict[str, bool] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {k: v or "" for k, v in attrs}
        language = found.get("lang", self.open[-1][1] if self.open else "")
        if tag not in VOID:
            self.open.append((tag, language))
        if tag in ("h1", "h2", "h3"):
            self.page.headings.append(tag)
        self._form(tag, found)
        self._field(tag, found)
        for name in ("aria-label", "title", "placeholder", "alt"):
            self._foreign(found.get(name, ""), language)

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag in [t for t, _ in self.open]:
            if self.open.pop()[0] == tag:
                break
        if tag == "form" and self.form is not None:
            self.page.unguarded += self.form["posts"] and not self.form["token"]
            self.form = None

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ("", "")
        if inside[0] == "title":
            self.page.title += data
        if inside[0] not in ("script", "style"):
            self._foreign(data, inside[1])

    def _form(self, tag: str, found: dict[str, str]) -> None:
        if tag == "form":
            self.form = {"posts": found.get("method", "get").lower() == "post", "token": False}
        elif self.form is not None and found.get("name") == "csrf_token":
            self.form["token"] = True

    def _field(self, tag: str, found: dict[str, str]) -> None:
        if tag == "label" and "for" in found:
            self.labels.add(found["for"])
        elif tag == "img" and "alt" not in found:
            self.page.unlabelled.append(f"img {found.get('src', '')}")
        elif tag in ("input", "select", "textarea") and found.get("type") not in SILENT:
            named = (
                "aria-label" in found or "aria-labelledby" in found or any(t == "label" for t, _ in self.open)
            )
            if not named:
                self.fields.append((found.get("id", ""), found.get("name", tag)))

    def _foreign(self, text: str, language: str) -> None:
        inside = any(tag == "main" for tag, _ in self.open)
        if inside and has_chinese(text) and not language.startswith("zh"):
            self.page.foreign.append(text.strip()[:40])
