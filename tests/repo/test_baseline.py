"""The check of styles, scripts and templates against the oldest browsers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def baseline() -> ModuleType:
    """``tools/baseline_check.py``, which is no package."""
    spec = importlib.util.spec_from_file_location("baseline_check", ROOT / "tools" / "baseline_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_nothing_we_ship_is_newer_than_the_baseline(
    baseline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert baseline.main([]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.css", "p:has(a) { color: red }"),
        ("a.css", "p:is(.a, .b) { color: red }"),
        ("a.css", "p:not(.a, .b) { color: red }"),
        ("a.css", "p { & a { color: red } }"),
        ("a.css", "@layer base { p { color: red } }"),
        ("a.css", "@media (width >= 400px) { p { color: red } }"),
        ("a.css", "@container (min-width: 1px) { p { color: red } }"),
        ("a.css", "p { inset: 0 }"),
        ("a.css", "p { aspect-ratio: 1 / 2 }"),
        ("a.css", "p { accent-color: red }"),
        ("a.css", "p { text-wrap: balance }"),
        ("a.css", "p { height: 100dvh }"),
        ("a.css", "p { color: color-mix(in srgb, red, blue) }"),
        ("a.css", "p { grid-template-rows: subgrid }"),
        ("a.js", "const last = list.at(-1);"),
        ("a.js", "const copy = structuredClone(list);"),
        ("a.js", "await fetch('/');"),
        ("a.html", "<search><form></form></search>"),
    ],
)
def test_what_is_too_new_is_named_with_its_line(
    baseline: ModuleType, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(f"\n{text}\n", encoding="utf-8")
    (line,) = list(baseline.check(tmp_path / name))
    assert line.startswith(f"{tmp_path / name}:2: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.css", "/* p:has(a) */ p::after { content: ':has(a) { inset: 0 }'; --inset: 0; gap: 1rem }"),
        ("a.css", "a:not(.b):hover, a:focus-visible { width: min(10rem, 100%); transform: rotate(1deg) }"),
        (
            "a.css",
            ".text-wrap { white-space: normal } @media (prefers-reduced-motion: reduce) { p { order: 1 } }",
        ),
        ("a.js", "// list.at(-1)\nconst text = 'structuredClone'; a ??= b?.c;"),
        ("a.html", "{% if inert %}<p class='popover'>{{ search }}</p>{% endif %}"),
    ],
)
def test_what_the_baseline_knows_passes(baseline: ModuleType, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert list(baseline.check(tmp_path / name)) == []
