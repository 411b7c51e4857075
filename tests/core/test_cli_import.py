"""``keyun import``: what it says, where it says it, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
HEAD = "external_id,name,kind,region\n"
GOOD = HEAD + "o-1,甲,society,511402\no-2,乙,park,511402\n"
Keyun = Callable[..., Result]


@pytest.fixture
def keyun(instance: Path) -> Keyun:
    return lambda *words: CliRunner().invoke(cli, ["--instance", str(instance), *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "organizations.csv"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_without_arguments_it_lists_what_can_be_imported(keyun: Keyun) -> None:
    done = keyun("import")
    assert done.exit_code == 0
    assert "organizations  单位" in done.stdout and "external_id* (外部编号)" in done.stdout
    listed = json.loads(keyun("import", "--json").stdout)
    assert {r["name"] for r in listed} == {"organizations", "users"}


def test_an_unknown_name_lists_the_known_ones(keyun: Keyun, file: Path) -> None:
    done = keyun("import", "planets", file)
    assert done.exit_code == 2
    assert "known: organizations, users" in done.stderr
    assert keyun("import", "users").exit_code == 2


def test_all_rows_in_is_exit_0(keyun: Keyun, file: Path) -> None:
    done = keyun("import", "organizations", file)
    assert done.exit_code == 0, done.output
    assert "2 read, 2 created, 0 changed, 0 refused" in done.stdout
    assert done.stderr == ""


def test_refused_rows_are_exit_1_and_the_others_are_in(keyun: Keyun, file: Path, tmp_path: Path) -> None:
    file.write_text(GOOD + "o-3,丙,club,511402\n", encoding="utf-8")
    target = tmp_path / "elsewhere.csv"
    done = keyun("import", "organizations", file, "--errors", target, "--json")
    assert done.exit_code == 1
    result = json.loads(done.stdout)
    assert (result["created"], result["failed"], result["errors"]) == (2, 1, str(target))
    assert str(target) in done.stderr
    target.write_text(target.read_text(encoding="utf-8").replace("club", "centre"), encoding="utf-8")
    again = keyun("import", "organizations", target)
    assert again.exit_code == 0
    assert "1 created" in again.stdout
    assert "0 created, 1 changed" in keyun("import", "organizations", changed(file)).stdout


def changed(file: Path) -> Path:
    file.write_text(GOOD.replace("甲", "甲二"), encoding="utf-8")
    return file


def test_a_dry_run_writes_nothing(keyun: Keyun, file: Path) -> None:
    done = keyun("import", "organizations", file, "--dry-run")
    assert done.exit_code == 0
    assert "nothing written" in done.stdout and "2 created" in done.stdout
    assert "2 created" in keyun("import", "organizations", file).stdout


def test_notes_about_the_file_go_to_standard_error(keyun: Keyun, file: Path) -> None:
    file.write_bytes(GOOD.replace("region", "地区").encode("gb18030"))
    done = keyun("import", "organizations", file)
    assert done.exit_code == 0
    assert "GB18030" in done.stderr


def test_the_format_can_be_named(keyun: Keyun, file: Path, tmp_path: Path) -> None:
    unnamed = tmp_path / "export"
    unnamed.write_text(GOOD, encoding="utf-8")
    assert "--format" in keyun("import", "organizations", unnamed).stderr
    assert keyun("import", "organizations", unnamed, "--format", "csv").exit_code == 0
    book = openpyxl.Workbook()
    for line in GOOD.splitlines():
        book.worksheets[0].append(line.split(","))
    book.save(tmp_path / "organizations.xlsx")
    done = keyun("import", "organizations", tmp_path / "organizations.xlsx")
    assert "0 created, 0 changed, 0 refused" in done.stdout


def test_a_file_that_cannot_be_read_is_one_sentence(keyun: Keyun, file: Path) -> None:
    file.write_text("external_id,name\n1,2\n", encoding="utf-8")
    done = keyun("import", "organizations", file)
    assert done.exit_code == 1
    assert done.stderr.startswith("keyun: ") and "region missing" in done.stderr
    assert keyun("import", "organizations", file.with_name("absent.csv")).exit_code == 2
