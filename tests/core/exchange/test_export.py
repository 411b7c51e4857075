"""Export: what is written can be read back as it was, and a spreadsheet runs nothing of it."""

from __future__ import annotations

import json
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields

from keyun.access import Actor, system
from keyun.accounts import Membership, Organization, User
from keyun.content import Content
from keyun.errors import Forbidden, Invalid
from keyun.exchange import Exporter, Importer, Row, Written, run, write
from keyun.exchange.exporting import escaped, unescaped
from keyun.forms import Form, Text, Words
from keyun.site import Site
from keyun.testing import make_organization, make_user
from keyun.uow import UnitOfWork

from .conftest import read_csv

MakeSite = Callable[..., Site]
FORMATS = ("csv", "xlsx", "jsonl")
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
ALL = ("organizations", "users", "people", "offers", "needs", "articles", "resources")
PLUGINS = ("marketplace", "popsci", "emergency")
#: Texts that break careless writers and readers.
NASTY = (
    "=1+1", "'=1+1", "''-x", "+86", "-3", "@SUM(A1)", "“双引号”和\"直的\"", "a,b;c\td",
    "第一行\r\n第二行\n第三行", "#N/A", "_x000D_", "_x005F_x000D_", "TRUE", "00123", "1e5",
    "垂直\x0b制表", "🌾", "e\u0301", "null", "[\"a\"]", "分\u2028行", "字" * 500,
)  # fmt: skip


def ours(site: Site, plugin_texts: tuple[str, ...] = NASTY) -> None:
    """Records of every kind, with everything that is hard to write."""
    from keyun.accounts import actor_for
    from keyun.content import create, publish
    from keyun_emergency.services import resource_type
    from keyun_marketplace.services import need_type, offer_type, publish_item, save_profile
    from keyun_popsci.services import article_type

    with site.writing() as unit:
        here = make_organization(unit, "示范单位", external_id="o-1", summary="=1+1\n说明")
        user = make_user(unit, "owner", level=3, organizations=[here], email="a@example.org")
        make_user(unit, "second", external_id="u-2", roles=[("editor", "510000")])
    with site.writing() as unit:
        user = unit.session.get_one(User, user.id)
        actor = actor_for(user)
        save_profile(actor, unit, {"title": "@教授", "keywords": ["a,b", "[c]", "水稻"], "findable": True})
        for text in plugin_texts:
            common = {"title": f"{text[:90]} 标题", "body": text, "region": "511402"}
            offer = common | {"keywords": [text[:40]], "terms": text[:100]}
            publish_item(actor, unit, create(actor, unit, offer_type(), offer))
            need = common | {"budget": 120_000, "deadline": "2027-03-31", "outcome": text}
            publish_item(actor, unit, create(actor, unit, need_type(), need))
            article = common | {"category": "nature", "source": text[:100], "voucher": "学会"}
            publish(system(), unit, create(system(), unit, article_type(), article))
            resource = common | {"hazard": "flood", "source": text[:100], "voucher": "学会"}
            publish(system(), unit, create(system(), unit, resource_type(), resource))


def exported(site: Site, folder: Path, kind: str) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.{kind}" for name in ALL}
    for name, path in files.items():
        write(site, site.exporters[name], path, system())
    return files


@pytest.fixture
def full(make_site: MakeSite) -> Site:
    site = make_site(*PLUGINS)
    ours(site)
    return site


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_exported_and_imported_elsewhere_is_exported_the_same(
    full: Site, make_site: MakeSite, tmp_path: Path, kind: str
) -> None:
    first = exported(full, tmp_path / "first", kind)
    other = make_site(*PLUGINS)
    for name in ALL:
        report = run(other, other.importers[name], first[name], system())
        assert (report.failed, report.changed) == (0, 0), name
    second = exported(other, tmp_path / "second", "jsonl")
    for name, path in exported(full, tmp_path / "plain", "jsonl").items():
        assert rows(second[name]) == rows(path), name


def test_importing_an_export_where_it_comes_from_changes_nothing(full: Site, tmp_path: Path) -> None:
    before = counts(full)
    for name, path in exported(full, tmp_path / "files", "csv").items():
        report = run(full, full.importers[name], path, system())
        assert (report.failed, report.created) == (0, 0), name
        assert report.changed == 0 or name == "people", name
    assert counts(full) == before


def rows(path: Path) -> list[str]:
    return sorted(path.read_text(encoding="utf-8").splitlines())


def counts(site: Site) -> list[Any]:
    with site.reading() as unit:
        query = sa.select(Content.id, Content.version).order_by(Content.id)
        versions = [tuple(r) for r in unit.session.execute(query)]
        people = [unit.session.scalar(sa.select(sa.func.count()).select_from(m)) for m in (User, Membership)]
    return [*versions, *people]


@on_sqlite
def test_only_what_is_public_is_exported(full: Site, tmp_path: Path) -> None:
    with full.writing() as unit:
        gone = unit.session.scalars(sa.select(Content).where(Content.type == "popsci.article")).first()
        assert gone is not None
        gone.state = "withdrawn"
    path = tmp_path / "articles.jsonl"
    assert write(full, full.exporters["articles"], path, system()) == len(NASTY) - 1
    assert gone.public_id not in path.read_text(encoding="utf-8")


@on_sqlite
def test_no_cell_of_a_sheet_is_a_formula(full: Site, tmp_path: Path) -> None:
    exported(full, tmp_path, "csv")
    exported(full, tmp_path, "xlsx")
    for name in ALL:
        cells = [v for row in read_csv(tmp_path / f"{name}.csv") for v in row.values()]
        book = openpyxl.load_workbook(tmp_path / f"{name}.xlsx")
        found = [c for row in book.worksheets[0].iter_rows() for c in row if c.value is not None]
        assert all(c.data_type != "f" for c in found)
        texts = [*cells, *(c.value for c in found if isinstance(c.value, str))]
        assert not [t for t in texts if t.startswith(("=", "+", "-", "@", "\t", "\r"))], name


@on_sqlite
def test_personal_data_asks_for_a_permission_of_its_own(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    assert site.exporters["users"].personal == ("login", "name", "email")
    for actor in (Actor(), Actor(user_id=1, level=3, grants=(("editor", "510000"),))):
        with pytest.raises(Forbidden):
            write(site, site.exporters["users"], tmp_path / "users.csv", actor)
    assert list(tmp_path.glob("users*")) == []
    write(site, site.exporters["users"], tmp_path / "users.csv", system())
    assert stat.S_IMODE((tmp_path / "users.csv").stat().st_mode) == 0o600


@on_sqlite
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(make_site: MakeSite, tmp_path: Path) -> None:
    def read(actor: Actor, unit: UnitOfWork) -> Iterator[Row]:
        yield {"external_id": "1"}
        raise RuntimeError("the disk is on fire")

    class Columns(Schema):
        external_id = fields.String()

    site, folder = make_site(), tmp_path / "out"
    folder.mkdir()
    (folder / "a.csv").write_text("old")
    broken = Exporter("broken", "坏的", Columns, read, "core.export.run")
    with pytest.raises(RuntimeError):
        write(site, broken, folder / "a.csv", system())
    assert [p.name for p in folder.iterdir()] == ["a.csv"] and (folder / "a.csv").read_text() == "old"
    with pytest.raises(Invalid, match="choose a folder"):
        write(site, broken, tmp_path / "nowhere" / "a.csv", system())


@on_sqlite
def test_memory_does_not_grow_with_the_number_of_records(make_site: MakeSite, tmp_path: Path) -> None:
    class Columns(Schema):
        external_id = fields.String()
        body = fields.String()

    site, peaks = make_site(), []
    for count in (2_000, 20_000):

        def read(actor: Actor, unit: UnitOfWork, count: int = count) -> Iterator[Row]:
            return ({"external_id": str(i), "body": "字" * 300} for i in range(count))

        exporter = Exporter("many", "多", Columns, read, "core.export.run")
        tracemalloc.start()
        assert write(site, exporter, tmp_path / "many.csv", system()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


class AnyRow(Form):
    """A row of texts."""

    external_id = Text("编号", 40, least=1)
    text = Text("文字", 4000)
    words = Words("词")


STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60).map(
    str.strip
)
WORDS = st.lists(STORED.map(lambda t: t[:40].strip()).filter(bool), max_size=5, unique=True)


@on_sqlite
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.tuples(STORED | st.sampled_from(NASTY), WORDS), min_size=1, max_size=8),
    kind=st.sampled_from(FORMATS),
)  # fmt: skip
def test_any_text_comes_back_as_it_was(
    site: Site, tmp_path: Path, texts: list[tuple[str, list[str]]], kind: str
) -> None:
    wanted = [{"external_id": f"n{i}", "text": t, "words": w} for i, (t, w) in enumerate(texts)]
    got: list[dict[str, Any]] = []

    def keep(actor: Actor, unit: UnitOfWork, rows: Any) -> Written:
        got.extend(dict(row) for _, row in rows)
        return Written(len(rows), 0)

    path = tmp_path / f"any.{kind}"
    exporter = Exporter("any", "任意", AnyRow, lambda actor, unit: iter(wanted), "core.export.run")
    write(site, exporter, path, system())
    report = run(site, Importer("any", "任意", AnyRow, keep, "core.import.run"), path, system())
    assert report.failed == 0
    assert got == wanted


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_escapes_are_taken_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


@on_sqlite
def test_a_text_that_no_cell_holds_is_refused_with_the_way_out(site: Site, tmp_path: Path) -> None:
    texts = enumerate(("短", "字" * 33_000))
    long: list[Row] = [{"external_id": str(n), "text": t, "words": []} for n, t in texts]
    exporter = Exporter("any", "任意", AnyRow, lambda actor, unit: iter(long), "core.export.run")
    with pytest.raises(Invalid, match=r"record 2 .* export as CSV"):
        write(site, exporter, tmp_path / "a.xlsx", system())
    assert write(site, exporter, tmp_path / "a.csv", system()) == 2


@on_sqlite
def test_an_owner_who_was_never_imported_is_named_so_that_the_import_knows_him(
    full: Site, tmp_path: Path
) -> None:
    write(full, full.exporters["offers"], tmp_path / "offers.jsonl", system())
    offer = json.loads((tmp_path / "offers.jsonl").read_text(encoding="utf-8").splitlines()[0])
    with full.reading() as unit:
        owner = unit.session.scalars(sa.select(User).where(User.login == "owner")).one()
        organization = unit.session.scalars(sa.select(Organization)).one()
    assert (offer["owner"], offer["organization"]) == (owner.public_id, organization.external_id)
