"""Documentation and code agree, and the check that says so can fail."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    pytest.importorskip("numpy", reason="the commands of the marketplace need numpy")
    # The command has its own folder on the path; so has this test.
    sys.path.insert(0, str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("docs_check", ROOT / "tools/docs_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documentation_of_this_repository_agrees_with_its_code(docs: ModuleType) -> None:
    assert docs.check(ROOT) == []


def test_a_page_that_the_code_has_left_behind_is_named(docs: ModuleType, tmp_path: Path) -> None:
    pages = docs.reference()
    docs.write(tmp_path)
    assert list(docs.stale(tmp_path, pages)) == []
    (tmp_path / "docs/reference/hooks.md").write_text("# Hooks of last year\n", encoding="utf-8")
    (tmp_path / "docs/reference/cli.md").unlink()
    assert [p.partition(" ")[0] for p in docs.stale(tmp_path, pages)] == [
        "docs/reference/cli.md",
        "docs/reference/hooks.md",
    ]


def test_a_link_to_no_file_or_no_heading_is_named_and_code_is_left_alone(
    docs: ModuleType, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title, with a comma\n"
        "[self](#a-title-with-a-comma) [web](https://example.org/x) `[code](no.md)`\n"
        "```\n[fenced](no.md)\n```\n"
        "[gone](gone.md) and [no heading](page.md#elsewhere)\n",
        encoding="utf-8",
    )
    assert list(docs.broken_links(tmp_path, page)) == [
        "page.md:6: the link gone.md leads to no file",
        "page.md:6: page.md has no heading #elsewhere",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("keyun plugins enable popsci", None),
        ("$ KEYUN_INSTANCE=/srv/keyun .venv/bin/keyun --instance /x users add a --name 'a b'  # new", None),
        ("sudo -u keyun /srv/keyun/venv/bin/keyun db upgrade && keyun doctor | cat", None),
        ("keyun marketplace match --text='柑橘，黄龙病' --top 5", None),
        ("keyun bridge status --json", None),
        ("keyun = keyun.cli:main", "there is no command `keyun =`"),
        ("keyun plugins activate popsci", "there is no command `keyun plugins activate`"),
        ("keyun doctor; keyun bridge send", "there is no command `keyun bridge send`"),
        ("python -m keyun serve --prot 80", "`keyun serve` has no option --prot"),
    ],
)
def test_an_example_is_called_as_the_code_has_it(docs: ModuleType, line: str, problem: str | None) -> None:
    tree = docs.command_tree(docs.bundled())
    found = [p for words in docs.calls(line) if (p := docs.wrong_call(words, tree))]
    assert found == ([] if problem is None else [problem])


def test_a_wrong_call_is_no_check(docs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--wirte"]) == 2
    assert "usage" in capsys.readouterr().err
