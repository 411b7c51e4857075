"""Fail on CSS, JavaScript and HTML that the oldest browsers we promise do not know.

The baseline is Chromium 86 (October 2020), as the design sets it for Android 7 and for WeChat's browser.
Versions are those of "Chrome" in MDN's browser-compat-data. What a browser may leave out without harm
stands in ``HARMLESS`` with the reason.

    python tools/baseline_check.py [file …]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

BASELINE = 86
ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    "core/keyun/static", "core/keyun/templates", "core/keyun/scaffold", "plugins/*/keyun_*/static",
    "plugins/*/keyun_*/templates", "examples/*/*/static", "examples/*/*/templates",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """Something newer than the baseline: how it looks in the source, and the Chromium that brought it."""

    name: str
    since: int
    pattern: str


#: In the part before ``{``.
SELECTORS = (
    Feature(":is() and :where()", 88, r":(?:is|where)\("),
    Feature(":not() with a list", 88, r":not\((?:[^()]|\([^()]*\))*,"),
    Feature("::file-selector-button", 89, r"::file-selector-button"),
    Feature(":has()", 105, r":has\("),
    Feature(":modal", 105, r":modal\b"),
    Feature(":nth-child(… of …)", 111, r":nth-(?:last-)?child\([^)]*\bof\b"),
    Feature(":popover-open", 114, r":popover-open"),
    Feature(":user-valid and :user-invalid", 119, r":user-(?:in)?valid"),
    Feature(":dir()", 120, r":dir\("),
    Feature("nesting", 120, r"(?:^|[\s,>+~(])&"),
)
#: An at-rule with what follows it, up to ``{`` or ``;``.
AT_RULES = (
    Feature("forced-colors", 89, r"@media.*\bforced-colors"),
    Feature("prefers-contrast", 96, r"@media.*\bprefers-contrast"),
    Feature("@layer", 99, r"@layer\b|@import.*\blayer\b"),
    Feature(
        "ranges in @media", 104, r"@media.*[(\s](?:width|height)\s*[<>]|@media.*[<>]=?\s*(?:width|height)"
    ),
    Feature("@container", 105, r"@container\b"),
    Feature("@starting-style", 117, r"@starting-style\b"),
    Feature("@scope", 118, r"@scope\b"),
)
#: The whole name of a property.
PROPERTIES = (
    Feature("inset", 87, r"inset(?:-(?:inline|block).*)?"),
    Feature("logical shorthands", 87, r"(?:margin|padding|border)-(?:inline|block)"),
    Feature("text-underline-offset", 87, r"text-underline-offset"),
    Feature("aspect-ratio", 88, r"aspect-ratio"),
    Feature("text-decoration-thickness", 89, r"text-decoration-thickness"),
    Feature("logical corners", 89, r"border-(?:start|end)-(?:start|end)-radius"),
    Feature("accent-color", 93, r"accent-color"),
    Feature("scrollbar-gutter", 94, r"scrollbar-gutter"),
    Feature("translate, rotate, scale", 104, r"translate|rotate|scale"),
    Feature("container queries", 105, r"container(?:-type|-name)?"),
    Feature("hyphenate-character", 106, r"hyphenate-.*"),
    Feature("view-transition-name", 111, r"view-transition-.*"),
    Feature("text-wrap", 114, r"text-wrap(?:-.*)?"),
    Feature("animation-timeline", 115, r"(?:animation|scroll|view)-timeline.*"),
    Feature("mask without prefix", 120, r"mask(?:-.*)?"),
    Feature("scrollbar-color and -width", 121, r"scrollbar-(?:color|width)"),
    Feature("field-sizing", 123, r"field-sizing"),
    Feature("interpolate-size", 129, r"interpolate-size"),
    Feature("print-color-adjust without prefix", 136, r"print-color-adjust|color-adjust"),
)
#: Inside the value of a property.
VALUES = (
    Feature("overflow: clip", 90, r"^clip$"),
    Feature("revert-layer", 99, r"\brevert-layer\b"),
    Feature("hwb()", 101, r"\bhwb\("),
    Feature("units of containers", 105, r"\d(?:cqw|cqh|cqi|cqb|cqmin|cqmax)\b"),
    Feature("dvh, svh, lvh", 108, r"\d[dsl]v(?:h|w|i|b|min|max)\b"),
    Feature("lh, rlh", 109, r"\dr?lh\b"),
    Feature("color-mix() and new colour spaces", 111, r"\b(?:color-mix|color|lab|lch|oklab|oklch)\("),
    Feature("trigonometry", 111, r"\b(?:sin|cos|tan|asin|acos|atan2?|pow|sqrt|hypot)\("),
    Feature("image-set() without prefix", 113, r"(?<![-\w])image-set\("),
    Feature("subgrid", 117, r"\bsubgrid\b"),
    Feature("light-dark()", 123, r"\blight-dark\("),
    Feature("round(), mod(), rem()", 125, r"\b(?:round|mod|rem)\("),
)
SCRIPTS = (
    Feature("Intl.Segmenter", 87, r"\bIntl\.Segmenter\b"),
    Feature("await outside functions", 89, r"(?m)^await\b"),
    Feature("private brand checks", 91, r"#\w+\s+in\b"),
    Feature(".at()", 92, r"\.at\("),
    Feature("crypto.randomUUID", 92, r"\brandomUUID\b"),
    Feature("Object.hasOwn", 93, r"\bObject\.hasOwn\b"),
    Feature("Error cause", 93, r"\bError\([^()]*\{\s*cause\b"),
    Feature("static blocks", 94, r"\bstatic\s*\{"),
    Feature("findLast", 97, r"\.findLast(?:Index)?\("),
    Feature("structuredClone", 98, r"\bstructuredClone\b"),
    Feature("AbortSignal.timeout and .any", 103, r"\bAbortSignal\.(?:timeout|any)\b"),
    Feature("toSorted, toReversed, toSpliced, with", 110, r"\.(?:toSorted|toReversed|toSpliced)\("),
    Feature("groupBy", 117, r"\b(?:Object|Map)\.groupBy\b"),
    Feature("Promise.withResolvers", 119, r"\bPromise\.withResolvers\b"),
    Feature("Array.fromAsync", 121, r"\bArray\.fromAsync\b"),
    Feature("arithmetic of sets", 122, r"\.(?:isSubsetOf|isSupersetOf|symmetricDifference)\("),
)
TAGS = (
    Feature("inert", 102, r"<[a-z][^>]*\sinert(?=[\s>=])"),
    Feature("popover", 114, r"<[a-z][^>]*\spopover(?:target)?(?=[\s>=])"),
    Feature("<search>", 118, r"<search[\s>]"),
)
#: (file name, feature): why nothing is lost where it is not known.
HARMLESS = {
    (
        "bootstrap.min.css",
        "::file-selector-button",
    ): "the button of a file field keeps the browser's own look",
    ("bootstrap.min.css", "inset"): "only floating labels, which no template has",
    ("bootstrap.min.css", "mask without prefix"): "-webkit-mask stands beside it",
    ("bootstrap.min.css", "text-underline-offset"): "the line stays where it is",
    ("bootstrap.min.css", "print-color-adjust without prefix"): "-webkit-print-color-adjust stands beside it",
}


def main(arguments: list[str]) -> int:
    """Check the files given, or all of ours and all that we ship; 1 when something is too new."""
    paths = [Path(a) for a in arguments] or list(shipped())
    wrong = [line for path in sorted(paths) for line in check(path)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(paths)} files, {len(wrong)} things newer than Chromium {BASELINE}", file=sys.stderr)
    return 1 if wrong else 0


def shipped() -> Iterator[Path]:
    """Every style sheet, script and template of the repository."""
    for place in PLACES:
        for folder in ROOT.glob(place):
            yield from (p for p in folder.rglob("*") if p.suffix in (".css", ".js", ".html"))


def check(path: Path) -> Iterator[str]:
    """What in ``path`` is newer than the baseline, as ``file:line: feature (Chromium n)``."""
    text = path.read_text(encoding="utf-8")
    look = {".css": in_css, ".js": in_script, ".html": in_html}[path.suffix]
    for feature, place in look(text):
        if feature.since > BASELINE and (path.name, feature.name) not in HARMLESS:
            line = text.count("\n", 0, place) + 1
            yield f"{path}:{line}: {feature.name} needs Chromium {feature.since}"


def in_css(text: str) -> Iterator[tuple[Feature, int]]:
    """Every feature in a style sheet, with its place."""
    bare = re.sub(r"/\*.*?\*/", blank, text, flags=re.DOTALL)
    bare = re.sub(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", blank, bare)
    for piece in re.finditer(r"[^{};]+(?=[{};]|\Z)", bare):
        source, opens = piece[0], bare[piece.end() : piece.end() + 1] == "{"
        start = piece.start()
        if source.strip().startswith("@"):
            yield from found(AT_RULES, source, start)
        elif opens:
            yield from found(SELECTORS, source, start)
        else:
            name, colon, value = source.partition(":")
            if colon and not name.strip().startswith("--"):
                yield from ((f, start) for f in PROPERTIES if re.fullmatch(f.pattern, name.strip()))
            yield from ((f, start) for f in VALUES if re.search(f.pattern, value.strip()))


def in_script(text: str) -> Iterator[tuple[Feature, int]]:
    """Every feature in a script; comments and plain strings are left out."""
    bare = re.sub(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", blank, text)
    bare = re.sub(r"/\*.*?\*/|(?<![:\\])//[^\n]*", blank, bare, flags=re.DOTALL)
    yield from found(SCRIPTS, bare, 0)


def in_html(text: str) -> Iterator[tuple[Feature, int]]:
    """Every feature in a template."""
    yield from found(TAGS, re.sub(r"\{[{%#].*?[}%#]\}", blank, text, flags=re.DOTALL), 0)


def found(features: Iterable[Feature], text: str, start: int) -> Iterator[tuple[Feature, int]]:
    """Which of ``features`` occur in ``text``."""
    for feature in features:
        for hit in re.finditer(feature.pattern, text):
            yield feature, start + hit.start()


def blank(hit: re.Match[str]) -> str:
    """Spaces of the same length, so that places stay true."""
    return re.sub(r"[^\n]", " ", hit[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
