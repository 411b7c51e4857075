"""Files that people really have: other encodings, other separators, half a file, no file of that kind."""

from __future__ import annotations

import csv
import datetime as dt
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.errors import Invalid
from keyun.exchange.readers import Raw, opened

Write = Callable[..., Path]
ROWS = [{"name": "眉山柑橘研究所", "note": "甲, 乙"}, {"name": "b", "note": "两\n行"}]


def rows(path: Path, kind: str | None = None) -> list[Raw]:
    with opened(path, kind) as table:
        return list(table.rows({}))


def values(path: Path) -> list[dict[str, Any]]:
    assert not [r.problem for r in rows(path) if r.problem]
    return [r.values for r in rows(path)]


def notes(path: Path) -> list[str]:
    with opened(path) as table:
        return list(table.notes)


def refusal(path: Path, kind: str | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        rows(path, kind)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["file.csv", "file.jsonl", "file.xlsx"])
def test_the_three_formats_hold_the_same_rows(write: Write, name: str) -> None:
    assert [(r.number, r.values) for r in rows(write(ROWS, name))] == [(1, ROWS[0]), (2, ROWS[1])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_separator_is_found_in_the_first_line(write: Write, delimiter: str) -> None:
    assert values(write(ROWS, delimiter=delimiter)) == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_column(write: Write) -> None:
    path = write(ROWS, encoding="utf-8-sig")
    assert values(path) == ROWS
    assert notes(path) == []


def test_gb18030_is_recognized_and_said(write: Write) -> None:
    path = write(ROWS, encoding="gb18030")
    assert values(path) == ROWS
    assert "GB18030" in notes(path)[0]


def test_gb18030_is_recognized_where_chinese_begins_late(write: Write) -> None:
    late = [{"name": f"plain {i}", "note": "x" * 90} for i in range(1500)] + ROWS
    assert values(write(late, encoding="gb18030")) == late


def test_one_damaged_line_in_utf8_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("name,note\n眉山研究所一,好\n乙".encode() + b"\xff\xfe" + ",坏\n丙,好\n".encode())
    assert notes(path) == []
    found = rows(path)
    assert [r.values["name"] for r in found if not r.problem] == ["眉山研究所一", "丙"]
    assert found[1].number == 2
    assert "第 3 行" in found[1].problem and "undecodable" in found[1].problem


def test_a_replacement_character_in_the_text_is_a_character(write: Write) -> None:
    assert values(write([{"name": "a\ufffdb", "note": "x"}]))[0]["name"] == "a\ufffdb"


def test_an_open_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('name,note\na,1\nb,"2\nc,3\nd,4\n', encoding="utf-8")
    found = rows(path)
    assert [(r.number, r.values.get("name"), bool(r.problem)) for r in found] == [
        (1, "a", False),
        (2, None, True),
        (3, "c", False),
        (4, "d", False),
    ]
    assert "line 3" in found[1].problem and 'b,"2' in found[1].problem


def test_an_open_quote_that_meets_another_one_costs_its_own_line_only(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('name,note\nb,"2\nc,"3"\nd,4\n', encoding="utf-8")
    assert [r.values["name"] for r in rows(path) if not r.problem] == ["c", "d"]


def test_a_nul_in_a_text_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"name,note\n" + b"a,1\n" * 60 + b"b\x00,2\nc,3\n")
    bad = [r for r in rows(path) if r.problem]
    assert [r.number for r in bad] == [61]
    assert "NUL" in bad[0].problem


def test_too_many_cells_are_a_bad_row_and_too_few_are_not(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("name,note\na,1,2\nb\nc,3,,\n", encoding="utf-8")
    found = rows(path)
    assert "more cells" in found[0].problem
    assert [r.values for r in found[1:]] == [{"name": "b"}, {"name": "c", "note": "3"}]


def test_blank_lines_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("name,note\n\na,1\n,\n  ,\nb,2\n", encoding="utf-8")
    assert [(r.number, r.values["name"]) for r in rows(path)] == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not a text file"),
        ("name,note\na,b\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04" + bytes(50), "XLSX"),
        (b"name,name\na,b\n", "twice"),
        (b'"name,note\n', "line 1"),
    ],
)
def test_what_is_no_csv_is_refused_with_the_reason(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    assert says in refusal(path)


def test_an_unknown_ending_asks_for_the_format(tmp_path: Path) -> None:
    path = tmp_path / "file.data"
    path.write_text("name,note\na,1\n", encoding="utf-8")
    assert "--format" in refusal(path)
    assert [r.values["name"] for r in rows(path, "csv")] == ["a"]
    assert ".xls" in refusal(tmp_path / "file.xls")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.csv")


def test_a_file_without_line_breaks_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("name,note\na,1\n" + "x" * 300_000 + "\nb,2\n", encoding="utf-8")
    found = rows(path)
    assert [r.values["name"] for r in found if not r.problem] == ["a", "b"]
    assert "field larger" in found[1].problem


# JSONL -----------------------------------------------------------------------------------------------


def test_a_bad_line_of_jsonl_is_one_bad_row(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": ',
        b"[1]",
        b"",
        b'{"name": "\xff"}',
        b'{"name": NaN}',
        b'{"name": "\\u0000"}',
        b'{"name": ["\\ud800"]}',
        b'{"name": "\\\\u0000"}',
        b"[" * 100_000,
        b'{"name": "z"}',
    ]
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = rows(path)
    assert [(r.number, r.values["name"]) for r in found if not r.problem] == [
        (1, "a"),
        (8, "\\u0000"),
        (10, "z"),
    ]
    assert "line 2" in found[1].problem
    assert "line 5" in found[3].problem


def test_a_jsonl_file_without_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text("name,note\na,1\n", encoding="utf-8")
    assert "one object on each line" in refusal(path)


# XLSX ------------------------------------------------------------------------------------------------


def test_cells_of_a_sheet_read_as_they_would_in_csv(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["text", "whole", "part", "day", "moment", "gap", "yes", None])
    sheet.append(["甲", 12.0, 1.5, dt.datetime(2027, 3, 1), dt.datetime(2027, 3, 1, 8, 30), None, True])
    book.create_sheet("other").append(["not read"])
    book.save(tmp_path / "file.xlsx")
    assert values(tmp_path / "file.xlsx") == [
        {
            "text": "甲", "whole": "12", "part": "1.5", "day": "2027-03-01", "moment": "2027-03-01T08:30:00",
            "gap": "", "yes": "true",
        }
    ]  # fmt: skip


def sheet_xml(tmp_path: Path, write: Write, change: Callable[[str], str]) -> Path:
    """A file whose first sheet was changed as XML."""
    sound = write([{"name": "a", "note": "1"}, {"name": "b", "note": "2"}], "sound.xlsx")
    path = tmp_path / "file.xlsx"
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            data = old.read(part)
            if part == "xl/worksheets/sheet1.xml":
                data = change(data.decode()).encode()
            new.writestr(part, data)
    return path


def test_a_formula_counts_as_the_value_it_had(tmp_path: Path, write: Write) -> None:
    def with_formula(xml: str) -> str:
        return xml.replace("</sheetData>", '<row r="4"><c r="A4"><f>1+1</f><v>2</v></c></row></sheetData>')

    assert values(sheet_xml(tmp_path, write, with_formula))[2] == {"name": "2"}


def test_a_formula_that_failed_is_a_bad_row(tmp_path: Path, write: Write) -> None:
    def with_fault(xml: str) -> str:
        return xml.replace("</sheetData>", '<row r="4"><c r="A4" t="e"><v>#REF!</v></c></row></sheetData>')

    bad = rows(sheet_xml(tmp_path, write, with_fault))[2]
    assert "#REF!" in bad.problem and "row 4" in bad.problem


def test_a_sheet_that_breaks_off_says_where(tmp_path: Path, write: Write) -> None:
    path = sheet_xml(tmp_path, write, lambda xml: xml[: xml.index('<row r="3"')])
    found = rows(path)
    assert found[0].values == {"name": "a", "note": "1"}
    assert "row 3" in found[1].problem
    assert len(found) == 2


def test_a_sheet_that_claims_to_be_huge_is_read_as_it_is(tmp_path: Path, write: Write) -> None:
    path = sheet_xml(tmp_path, write, lambda xml: xml.replace('ref="A1:B3"', 'ref="A1:XFD1048576"'))
    assert [r.values["name"] for r in rows(path)] == ["a", "b"]


def test_entities_are_not_expanded(tmp_path: Path, write: Write) -> None:
    def with_entities(xml: str) -> str:
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        return bomb + xml.replace("</sheetData>", '<row r="4"><c t="str"><v>&b;</v></c></row></sheetData>')

    assert "EntitiesForbidden" in refusal(sheet_xml(tmp_path, write, with_entities))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, write: Write) -> None:
    path = sheet_xml(tmp_path, write, lambda xml: xml + " " * (20 << 20))
    assert "times its size" in refusal(path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[: len(data) // 2], "not a whole XLSX"),
        (lambda data: b"name,note\n", "not a whole XLSX"),
        (lambda data: b"\xd0\xcf\x11\xe0" + data, "password"),
        (lambda data: b"", "not a whole XLSX"),
    ],
)
def test_a_damaged_xlsx_is_refused(write: Write, damage: Callable[[bytes], bytes], says: str) -> None:
    path = write(ROWS, "file.xlsx")
    path.write_bytes(damage(path.read_bytes()))
    assert says in refusal(path)


def test_a_zip_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "cannot be read as XLSX" in refusal(path)


# Any text --------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
TABLES = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8)
TRY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@TRY
@given(table=TABLES, delimiter=st.sampled_from(",;\t"))
def test_any_rows_written_to_csv_read_back_equal(
    tmp_path: Path, table: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as f:
        csv.writer(f, delimiter=delimiter).writerows([("name", "note"), *table])
    expected = [{"name": a, "note": b} for a, b in table if (a + b) and not (a + b).isspace()]
    assert values(path) == expected


@TRY
@given(table=TABLES)
def test_any_rows_written_to_jsonl_read_back_equal(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    path = tmp_path / "any.jsonl"
    expected = [{"name": a, "note": b} for a, b in table]
    path.write_text("\n".join(json.dumps(r) for r in expected), encoding="utf-8")
    assert values(path) == expected


@TRY
@given(data=st.binary(max_size=400), kind=st.sampled_from(["csv", "jsonl", "xlsx"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"name,note\n" * (kind == "csv") + data)
    try:
        found = rows(path, kind)
    except Invalid:
        return
    assert [r.number for r in found] == list(range(1, len(found) + 1))
