"""``keyun regions``: what a code means, and tables of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
Keyun = Callable[..., Result]


@pytest.fixture
def keyun(instance: Path) -> Keyun:
    return lambda *words: CliRunner().invoke(cli, ["--instance", str(instance), "regions", *map(str, words)])


def test_a_code_is_shown_with_its_path_and_children(keyun: Keyun) -> None:
    done = keyun("show", "511400")
    assert done.exit_code == 0
    assert "511400  四川省眉山市  city" in done.stdout
    assert "path: 四川省 510000 > 眉山市 511400" in done.stdout
    assert "511402  东坡区" in done.stdout


def test_a_retired_code_leads_to_its_successor_and_says_so(
    keyun: Keyun, instance: Path, tmp_path: Path
) -> None:
    table = tmp_path / "retired.csv"
    table.write_text(
        "code,name,level,parent,pinyin,kind,valid_from,valid_to,successor\n"
        "511499,旧名县,county,511400,,retired,,2020-01-01,511402\n",
        encoding="utf-8",
    )
    assert keyun("import", table).exit_code == 0
    done = keyun("show", "511499")
    assert done.exit_code == 0
    assert "511499 旧名县 已撤销" in done.stdout and "511402" in done.stdout
    then = json.loads(keyun("show", "511499", "--on", "2019-06-01", "--json").stdout)
    assert (then["asked"], then["code"], then["note"]) == ("511499", "511499", None)


def test_an_unknown_code_is_one_sentence(keyun: Keyun) -> None:
    for words in (("show", "999999"), ("list", "--below", "abc")):
        done = keyun(*words)
        assert done.exit_code == 1
        assert "Unknown region code" in done.stderr


def test_the_list_can_be_narrowed(keyun: Keyun) -> None:
    lines = keyun("list", "--below", "511400").stdout.splitlines()
    assert lines[0].startswith("511400")
    assert len(lines) == 7
    assert len(keyun("list").stdout.splitlines()) > 3000


def test_a_bad_line_imports_nothing(keyun: Keyun, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("code,name,level\n511498,新县,county\n12,坏,county\n", encoding="utf-8")
    done = keyun("import", table)
    assert done.exit_code == 1
    assert "line 3" in done.stderr
    assert keyun("show", "511498").exit_code == 1
