"""Import: what is good goes in, what is refused can be corrected, and running again ends the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate

from keyun.access import anonymous, system
from keyun.accounts import Membership, Organization, User
from keyun.accounts.importers import importers
from keyun.errors import Forbidden, Invalid
from keyun.events.models import Event
from keyun.exchange import Importer, Report, Row, RowError, Written, run
from keyun.exchange.refused import harmless, original
from keyun.site import Site
from keyun.testing import Clock, make_user
from keyun.uow import UnitOfWork

from .conftest import ORGANIZATION, organizations, read_csv

MakeSite = Callable[..., Site]
Write = Callable[..., Path]
#: Sound, and in no register.
CODE = "91510522KY000000XE"
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def go(site: Site, name: str, path: Path, **more: Any) -> Report:
    return run(site, site.importers[name], path, system(), **more)


def names(site: Site) -> dict[str | None, str]:
    with site.reading() as unit:
        return {o.external_id: o.name for o in unit.session.scalars(sa.select(Organization))}


def events(site: Site) -> list[tuple[str, int, dict[str, Any]]]:
    with site.reading() as unit:
        return [
            (e.name, e.subject_id, e.data) for e in unit.session.scalars(sa.select(Event).order_by(Event.id))
        ]


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.read, report.created, report.changed, report.failed


def user(number: int, **more: Any) -> dict[str, Any]:
    base = {
        "login": f"user{number}",
        "name": f"用户{number}",
        "email": "",
        "region": "511402",
        "organization": "",
    }
    return {"external_id": f"u-{number}"} | base | {"level": "1"} | more


# Organizations and users -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file.csv", "file.xlsx", "file.jsonl"])
def test_good_rows_go_in_with_an_event_each(site: Site, write: Write, name: str) -> None:
    report = go(site, "organizations", write(organizations(3), name))
    assert counts(report) == (3, 3, 0, 0)
    assert names(site) == {"o-1": "示范单位1", "o-2": "示范单位2", "o-3": "示范单位3"}
    assert [e[0] for e in events(site)] == ["organization.imported"] * 3


def test_importing_again_changes_and_never_doubles(site: Site, write: Write) -> None:
    go(site, "organizations", write(organizations(3)))
    again = [*organizations(2), ORGANIZATION | {"external_id": "o-3", "name": "改名"}, *organizations(4)[3:]]
    report = go(site, "organizations", write(again))
    assert counts(report) == (4, 1, 1, 0)
    assert names(site) == {"o-1": "示范单位1", "o-2": "示范单位2", "o-3": "改名", "o-4": "示范单位4"}
    assert len(events(site)) == 5


def test_users_join_the_organization_of_their_row(site: Site, write: Write) -> None:
    go(site, "organizations", write(organizations(2)))
    rows = [user(1, organization="o-2"), user(2), user(3, organization="o-9")]
    report = go(site, "users", write(rows, "users.csv"))
    assert counts(report) == (3, 2, 0, 1)
    with site.reading() as unit:
        links = unit.session.execute(
            sa.select(User.login, Organization.external_id)
            .join(Membership, Membership.user_id == User.id)
            .join(Organization, Membership.organization_id == Organization.id)
        ).all()
    assert [tuple(r) for r in links] == [("user1", "o-2")]


def test_a_login_or_address_of_somebody_else_is_refused(site: Site, write: Write) -> None:
    with site.writing() as unit:
        make_user(unit, "user1", email="taken@example.org")
    rows = [
        user(1),
        user(2, email="taken@example.org"),
        user(3, email="new@example.org"),
        user(4, email="new@example.org"),
        user(5, login="user3"),
    ]
    path = write(rows, "users.csv")
    assert counts(go(site, "users", path)) == (5, 1, 0, 4)
    reasons = {r["_row"]: r["_reasons"] for r in read_csv(path.with_name("users.csv.errors.csv"))}
    assert {k: "用户名" in v for k, v in reasons.items()} == {"1": True, "2": False, "4": False, "5": True}


def test_a_known_user_may_change_his_login_and_keeps_his_level(site: Site, write: Write) -> None:
    go(site, "users", write([user(1, level="2"), user(2)], "users.csv"))
    go(site, "users", write([user(1, login="renamed", level="")], "users.csv"))
    with site.reading() as unit:
        found = unit.session.scalars(sa.select(User).where(User.external_id == "u-1")).one()
        assert (found.login, found.level, found.password_hash) == ("renamed", 2, None)


def test_a_credit_code_is_checked_and_belongs_to_one_organization(site: Site, write: Write) -> None:
    rows = organizations(3)
    rows[0]["uscc"], rows[1]["uscc"], rows[2]["uscc"] = CODE, CODE.lower(), CODE[:-1] + "0"
    path = write(rows)
    assert counts(go(site, "organizations", path)) == (3, 1, 0, 2)
    reasons = [r["_reasons"] for r in read_csv(path.with_name("file.csv.errors.csv"))]
    assert "o-1" in reasons[0]
    assert "USCC" in reasons[1]


def test_an_unknown_region_is_refused(site: Site, write: Write) -> None:
    report = go(site, "organizations", write(organizations(1, region="999999")))
    assert counts(report) == (1, 0, 0, 1)


@on_sqlite
def test_only_who_may_import_does(site: Site, write: Write) -> None:
    with pytest.raises(Forbidden):
        run(site, site.importers["organizations"], write(organizations(1)), anonymous())
    for importer in importers():
        with pytest.raises(Forbidden), site.writing() as unit:
            importer.write(anonymous(), unit, [])
    assert names(site) == {}


# Columns ---------------------------------------------------------------------------------------------


@on_sqlite
def test_columns_may_be_headed_in_chinese(site: Site, write: Write) -> None:
    labels = {"external_id": "外部编号", "name": "名称", "kind": "类型", "region": "地区"}
    rows = [{labels[k]: r[k] for k in labels} for r in organizations(2)]
    assert counts(go(site, "organizations", write(rows, encoding="gb18030"))) == (2, 2, 0, 0)


@on_sqlite
def test_unknown_columns_are_named_once_and_left_out(site: Site, write: Write) -> None:
    heard: list[str] = []
    report = go(site, "organizations", write(organizations(3, colour="red")), progress=heard.append)
    assert counts(report) == (3, 3, 0, 0)
    assert report.notes == ["columns left out: colour"]
    assert [h for h in heard if "colour" in h] == ["file.csv: columns left out: colour"]


@on_sqlite
def test_a_file_without_a_required_column_is_refused_at_once(site: Site, write: Write) -> None:
    rows = [{k: v for k, v in r.items() if k != "name"} for r in organizations(2)]
    with pytest.raises(Invalid, match=r"name missing.*名称"):
        go(site, "organizations", write(rows))
    assert names(site) == {}


@on_sqlite
def test_two_columns_for_one_field_are_refused(site: Site, write: Write) -> None:
    with pytest.raises(Invalid, match="two columns are name"):
        go(site, "organizations", write(organizations(1, 名称="x")))


@on_sqlite
def test_a_jsonl_file_of_something_else_is_refused_at_once(site: Site, write: Write) -> None:
    with pytest.raises(Invalid, match="expected external_id"):
        go(site, "organizations", write([{"a": 1}, {"a": 2}], "file.jsonl"))


# Refused rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file.csv", "file.xlsx", "file.jsonl"])
def test_refused_rows_can_be_corrected_and_imported_alone(site: Site, write: Write, name: str) -> None:
    rows = organizations(4, summary="-5℃ 冷库")
    rows[1]["region"], rows[3]["kind"] = "12", "club"
    path = write(rows, name)
    assert counts(go(site, "organizations", path)) == (4, 2, 0, 2)
    errors = path.with_name(name + ".errors.csv")
    assert errors.stat().st_mode & 0o077 == 0, "it may hold what a person wrote about himself"
    refused = read_csv(errors)
    assert [(r["_row"], r["external_id"]) for r in refused] == [("2", "o-2"), ("4", "o-4")]
    assert "地区" in refused[0]["_reasons"] and "类型" in refused[1]["_reasons"]
    assert refused[0]["summary"] == "'-5℃ 冷库"
    text = errors.read_text(encoding="utf-8-sig").replace("club", "society").replace(",12,", ",511402,")
    errors.write_text(text, encoding="utf-8")
    report = go(site, "organizations", errors)
    assert counts(report) == (2, 2, 0, 0)
    assert report.notes == []
    with site.reading() as unit:
        assert set(unit.session.scalars(sa.select(Organization.summary))) == {"-5℃ 冷库"}


@on_sqlite
def test_refused_jsonl_rows_with_chinese_keys_can_be_imported_again(site: Site, write: Write) -> None:
    rows = [{"外部编号": "o-1", "名称": "甲", "类型": "park", "地区": "1"}]
    path = write(rows, "file.jsonl")
    assert counts(go(site, "organizations", path)) == (1, 0, 0, 1)
    errors = path.with_name("file.jsonl.errors.csv")
    errors.write_text(errors.read_text(encoding="utf-8-sig").replace(",1,", ",511402,"), encoding="utf-8")
    assert counts(go(site, "organizations", errors)) == (1, 1, 0, 0)


@on_sqlite
def test_a_clean_run_leaves_no_file_of_refused_rows(site: Site, write: Write) -> None:
    path = write(organizations(1, region="1"))
    errors = path.with_name("file.csv.errors.csv")
    go(site, "organizations", path)
    assert errors.exists()
    go(site, "organizations", write(organizations(1)))
    assert not errors.exists()


@on_sqlite
def test_refused_rows_never_overwrite_another_file(site: Site, write: Write, tmp_path: Path) -> None:
    precious = tmp_path / "precious.csv"
    precious.write_text("a,b\n1,2\n", encoding="utf-8")
    path = write(organizations(1, region="1"))
    for target in (precious, path):
        with pytest.raises(Invalid, match="name another"):
            go(site, "organizations", path, errors_path=target)
    assert precious.read_text(encoding="utf-8") == "a,b\n1,2\n"


@on_sqlite
def test_a_line_that_cannot_be_read_stands_beside_rows_that_can(site: Site, write: Write) -> None:
    path = write(organizations(2))
    path.write_bytes(path.read_bytes() + b'"o-9,x\n')
    assert counts(go(site, "organizations", path)) == (3, 2, 0, 1)
    refused = read_csv(path.with_name("file.csv.errors.csv"))
    assert "line 4" in refused[0]["_reasons"] and refused[0]["external_id"] == ""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_refused_cell_is_a_formula_and_each_comes_back(text: str) -> None:
    assert not harmless(text).startswith(("=", "+", "-", "@"))
    assert original(harmless(text)) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "''=1", "'", "'a", "a=1"])
def test_formulas_are_neutralised_and_nothing_else(text: str) -> None:
    assert (harmless(text) != text) == text.lstrip("'").startswith(("=", "+", "-", "@", "\t"))
    assert original(harmless(text)) == text


# Chunks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [1, 1500])
def test_a_second_row_with_the_same_id_names_the_first(site: Site, write: Write, gap: int) -> None:
    rows = organizations(gap + 1)
    rows[gap] = rows[0] | {"name": "zweite"}
    path = write(rows)
    assert counts(go(site, "organizations", path)) == (gap + 1, gap, 0, 1)
    refused = read_csv(path.with_name("file.csv.errors.csv"))
    assert refused[0]["_row"] == str(gap + 1)
    assert "record 1)" in refused[0]["_reasons"]


def test_a_dry_run_finds_the_same_errors_and_writes_nothing(site: Site, write: Write) -> None:
    rows = organizations(3)
    rows[2]["region"] = "999999"
    path = write(rows)
    assert counts(go(site, "organizations", path, dry_run=True)) == (3, 2, 0, 1)
    assert (names(site), events(site)) == ({}, [])
    assert len(read_csv(path.with_name("file.csv.errors.csv"))) == 1


def test_a_row_the_database_refuses_does_not_take_its_neighbours_along(site: Site, write: Write) -> None:
    def insert(actor: Any, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
        for _, row in rows:
            unit.session.add(Organization(**row, public_id=row["name"], created_at=unit.now))
        unit.session.flush()
        return Written(len(rows), 0)

    importer = Importer("x", "x", importers()[0].schema, insert, "core.import.run")
    rows = organizations(7)
    rows[4]["name"] = rows[0]["name"]
    path = write(rows)
    report = run(site, importer, path, system())
    assert counts(report) == (7, 6, 0, 1)
    refused = read_csv(path.with_name("file.csv.errors.csv"))
    assert [r["_row"] for r in refused] == ["5"]
    assert "database refused" in refused[0]["_reasons"]


class Numbered(Schema):
    code = fields.String(required=True)
    size = fields.Integer(required=True, validate=validate.Range(0, 9), metadata={"label": "数量"})


@on_sqlite
def test_any_importer_gets_chunks_of_a_thousand_valid_rows(site: Site, write: Write) -> None:
    seen: list[list[int]] = []

    def keep(actor: Any, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
        seen.append([number for number, _ in rows])
        return Written(len(rows) - 1, 0, [RowError(rows[0][0], "no", rows[0][1])])

    importer = Importer("x", "x", Numbered, keep, "core.import.run", key="code")
    rows = [{"Code": f"c{i}", "数量": i % 11, "more": ""} for i in range(2300)]
    report = run(site, importer, write(rows), system())
    assert [len(chunk) for chunk in seen] == [910, 909, 272]
    assert counts(report) == (2300, 2088, 0, 212)
    assert seen[0][:11] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from keyun.access import system
from keyun.exchange import run
from keyun.runtime import Runtime
from keyun.site import Site

site = Site.open(Runtime.open(Path(sys.argv[1])))
importer, calls = site.importers["organizations"], []

def write(actor, unit, rows):
    done = importer.write(actor, unit, rows)
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

run(site, replace(importer, write=write), Path(sys.argv[2]), system())
"""


def test_killed_in_the_middle_and_run_again_ends_in_the_same_state(
    make_instance: Callable[..., Path], make_site: MakeSite, write: Write
) -> None:
    rows = organizations(3500)
    rows[10]["region"] = "1"
    instance, path = make_instance(), write(rows)
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(instance), str(path)],
        env={k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    site = make_site(instance=instance)
    assert len(names(site)) == 1999
    assert counts(go(site, "organizations", path)) == (3500, 1500, 0, 1)
    assert len(names(site)) == 3499
    assert len(events(site)) == 3499


@on_sqlite
def test_progress_is_told_about_every_second(
    site: Site, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(1000))
    monkeypatch.setattr("keyun.exchange.importing.time.monotonic", lambda: next(now) * 0.6)
    heard: list[str] = []
    go(site, "organizations", write(organizations(4000)), progress=heard.append)
    assert len(heard) == 2
    assert "2,000 rows, 0 refused" in heard[0] and "rows/s" in heard[0]


def test_events_written_in_bulk_reach_the_log_like_any_other(site: Site, clock: Clock) -> None:
    with site.writing() as unit:
        unit.record("one.by-one", "thing", 1, system())
        unit.session.flush()
        unit.record_many(system(), [("in.bulk", "thing", i, {"n": i}) for i in range(2, 5)])
        unit.record_many(system(), [])
    assert events(site) == [("one.by-one", 1, {}), *(("in.bulk", i, {"n": i}) for i in range(2, 5))]
    with site.reading() as unit:
        found = unit.session.scalars(sa.select(Event)).all()
        assert len({e.transaction for e in found}) == 1
        assert {e.at for e in found} == {clock.now}
