"""Bring a past from elsewhere: counters as CSV, or packed records, with the rule they were counted by."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from keyun.access import Actor
from keyun.errors import Conflict, Invalid, NotFound
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage import folding, places, storing
from keyun_usage.grouping import Row, as_number
from keyun_usage.layout import HEADER, header
from keyun_usage.models import Part
from keyun_usage.rules import IMPORTED, find
from keyun_usage.services import FIRST_DAY

COLUMNS = ("day", "region", "channel", "type", "users", "visitors")
CHUNK = 10_000
MOST_TIMES = 2_000_000_000
SAME = "这个文件已经导入过。 (This file was imported before.)"


def import_csv(actor: Actor, site: Site, path: Path, rule: str) -> int:
    """Add the counters of a CSV file; an interrupted import goes on where it stopped, a repeat adds nothing.

    The columns are ``day,region,channel,type,users,visitors``. ``rule`` names the definition behind them;
    it need not be one that is loaded here. Returns the person-times added.

    :raises Invalid: naming the row; nothing is written unless every row is right.
    """
    with site.reading() as unit:
        unit.require(actor, "usage.history.import")
        name = _name(path)
        for _ in _rows(unit, path, rule):
            pass
        start = _watermark(unit, name)
    added, number = 0, start
    with site.reading() as unit:
        rows = islice(_rows(unit, path, rule), start, None)
        while chunk := list(islice(rows, CHUNK)):
            with site.writing() as writing:
                _store_chunk(writing, name, number, chunk)
            number += len(chunk)
            added += sum(r.users + r.visitors for r in chunk)
    with site.writing() as unit:
        facts = {"records": 0, "lost": 0, "killed": False, "first_day": None, "last_day": None}
        storing.advance(unit, name, number, number, state="imported", **facts)
        unit.record("usage.imported", "usage", number, actor, rule=rule, file=name)
    return added


def import_packed(actor: Actor, site: Site, path: Path, rule_id: str) -> int:
    """Add packed records (a file in the format of the spool), judged by a rule that is loaded here.

    The numbers of people must be those of accounts here. Returns the number of records.

    :raises Invalid: when the file is of another kind.
    """
    with path.open("rb") as f:
        if header(f.read(HEADER.size)) is None:
            raise Invalid(f"{path} 不是打包的记录。 (Not packed records; leave out --packed for CSV.)")
    with site.reading() as unit:
        unit.require(actor, "usage.history.import")
        name = _name(path)
        _watermark(unit, name)
    with places.alone(site.runtime.instance, wait=True):
        rule = find(site, rule_id)
        records = folding.fold_file(site, path, name, replace(rule, name=IMPORTED + rule.name), "imported")
        with site.writing() as unit:
            unit.record("usage.imported", "usage", records, actor, rule=rule_id, file=name)
    return records


def _name(path: Path) -> str:
    with path.open("rb") as f:
        return "import-" + hashlib.file_digest(f, "sha256").hexdigest()[:40]


def _watermark(unit: UnitOfWork, name: str) -> int:
    part = unit.session.get(Part, name)
    if part is not None and part.state == "imported":
        raise Conflict(SAME)
    return part.offset if part is not None else 0


def _store_chunk(unit: UnitOfWork, name: str, start: int, rows: list[Row]) -> None:
    days = [r.day for r in rows]
    facts = {"first_day": min(days), "last_day": max(days), "killed": False, "lost": 0}
    records = sum(r.users + r.visitors for r in rows)
    storing.advance(unit, name, start, start + len(rows), state="open", records=records, **facts)
    storing.add_rows(unit.session, rows)


def _rows(unit: UnitOfWork, path: Path, rule: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as f:
        reader = csv.DictReader(f)
        number = 0
        try:
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise Invalid(f"{path}: 缺少列 {', '.join(sorted(missing))}。 (Columns are missing.)")
            for line in reader:
                number += 1
                yield _row(unit, line, rule)
        except UnicodeDecodeError:
            raise Invalid(f"{path} 不是 UTF-8，请另存为 UTF-8。 (Not UTF-8; save it as UTF-8.)") from None
        except csv.Error as e:
            raise Invalid(f"{path}: 第 {number} 行之后：{e}。 (No CSV after row {number}.)") from None
        except (ValueError, TypeError, NotFound) as e:
            raise Invalid(
                f"{path}: 第 {number} 行：{e}。 (Row {number} is wrong; nothing was written.)"
            ) from None


def _row(unit: UnitOfWork, line: Mapping[str, str], rule: str) -> Row:
    day = dt.date.fromisoformat(line["day"])
    if not FIRST_DAY <= day <= unit.today:
        raise ValueError(f"day {day}")
    code = line["region"]
    if code not in unit.site.regions:
        raise ValueError(f"region {code}")
    place = int(unit.site.regions.resolve(code, day).place.code)
    users, visitors = int(line["users"]), int(line["visitors"])
    if not (0 <= users <= MOST_TIMES and 0 <= visitors <= MOST_TIMES):
        raise ValueError(f"users {users}, visitors {visitors}")
    words = line["channel"].strip(), line["type"].strip()
    if not all(0 < len(w) <= 60 and w.isprintable() for w in (*words, IMPORTED + rule)):
        raise ValueError("channel, type and rule need 1 to 60 characters (the rule 53)")
    return Row(as_number(day), place, *words, IMPORTED + rule, 0, users, visitors)
