"""Items that another plugin wrote are taken over: none lost, none doubled, and twice is as good as once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from marshmallow import fields

from keyun.access import anonymous, system
from keyun.cli import cli
from keyun.content import Content, Revision, adoption, change, create, publish, withdraw
from keyun.content.adoption import Adopted, adopt_all, missing
from keyun.content.fields import ContentField, with_fields
from keyun.errors import Forbidden
from keyun.exchange import run
from keyun.jobs import Worker
from keyun.plugins.manager import Installation
from keyun.site import Site
from keyun_marketplace.models import Need, Offer
from keyun_marketplace.services import offer_type
from keyun_popsci.models import Article
from keyun_popsci.services import article_type

MakeSite = Callable[..., Site]
TEXT = {
    "title": "柑橘黄龙病", "body": "正文", "category": "agriculture", "source": "植保手册",
    "voucher": "学会", "region": "511402",
}  # fmt: skip
OWN, STORED = cast(sa.Table, Article.__table__), cast(sa.Table, Content.__table__)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site("popsci")


def write(site: Site, count: int = 5) -> list[int]:
    """Published articles; returns their ids."""
    with site.writing() as unit:
        items = [create(system(), unit, article_type(), TEXT | {"title": f"文章 {i}"}) for i in range(count)]
        for item in items:
            publish(system(), unit, item)
    return [i.id for i in items]


def rows(site: Site, table: Any = OWN) -> list[tuple[Any, ...]]:
    with site.reading() as unit:
        return [tuple(r) for r in unit.session.execute(sa.select(table).order_by(table.c.id))]


def lose(site: Site, ids: Sequence[int]) -> None:
    """Leave items as a plugin finds them that did not write them."""
    with site.writing() as unit:
        unit.session.execute(sa.delete(OWN).where(OWN.c.id.in_(ids)))


def left(site: Site) -> dict[str, int]:
    with site.reading() as unit:
        return missing(unit)


def test_items_without_a_row_get_it_from_what_was_written(site: Site) -> None:
    ids = write(site)
    with site.writing() as unit:
        withdraw(system(), unit, unit.session.get_one(Article, ids[0]))
    before, items = rows(site), rows(site, STORED)
    lose(site, ids)
    assert left(site) == {"popsci.article": 5}
    assert adopt_all(site, system()) == Adopted(added=5)
    assert rows(site) == before and rows(site, STORED) == items
    assert left(site) == {}


def test_taking_over_twice_changes_nothing(site: Site) -> None:
    lose(site, write(site)[:2])
    assert adopt_all(site, system()).count == 2
    assert adopt_all(site, system()) == Adopted()
    before = rows(site)
    assert adopt_all(site, system(), anew=True) == Adopted()
    assert rows(site) == before


def test_what_was_rewritten_meanwhile_is_brought_up_to_date(site: Site) -> None:
    ids = write(site)
    with site.writing() as unit:
        change(system(), unit, unit.session.get_one(Article, ids[1]), {"source": "新的来源"})
        unit.session.execute(sa.update(OWN).where(OWN.c.id == ids[1]).values(source="植保手册"))
    assert adopt_all(site, system()) == Adopted(updated=1)
    assert [r[2] for r in rows(site) if r[0] == ids[1]] == ["新的来源"]


def test_a_field_that_the_other_plugin_did_not_know_keeps_its_last_value(site: Site) -> None:
    (one,) = write(site, 1)
    with site.writing() as unit:
        item = unit.session.get_one(Article, one)
        data = {"title": "别的插件写的", "source": "别的来源"}
        unit.session.add(Revision(content_id=one, version=item.version + 1, at=unit.now, data=data))
        unit.record("content.changed", "popsci.article", one, system(), version=item.version + 1)
    lose(site, [one])
    adopt_all(site, system())
    assert rows(site) == [(one, "agriculture", "别的来源")]


def test_a_bulk_import_is_not_undone_by_an_older_revision(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("marketplace")
    with site.writing() as unit:
        offer = create(system(), unit, offer_type(), {"title": "检测", "body": "检测服务", "region": "511402",
                                                      "keywords": ["旧词"]})  # fmt: skip
        offer.external_id = "o-1"
        publish(system(), unit, offer)
    path = tmp_path / "offers.csv"
    path.write_text(
        "external_id,title,body,region,keywords\no-1,检测,检测服务,511402,新词\n", encoding="utf-8"
    )
    assert run(site, site.importers["offers"], path, system()).changed == 1
    assert adopt_all(site, system(), anew=True) == Adopted()
    assert [r[1] for r in rows(site, Offer.__table__)] == [["新词"]]


def test_an_item_that_never_had_a_revision_gets_what_the_core_knows_and_defaults(
    make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site("marketplace")
    path = tmp_path / "offers.csv"
    path.write_text("external_id,title,body,region,stage\no-1,检测,检测服务,511402,lab\n", encoding="utf-8")
    run(site, site.importers["offers"], path, system())
    table = cast(sa.Table, Offer.__table__)
    with site.writing() as unit:
        unit.session.execute(sa.delete(table))
    assert adopt_all(site, system()) == Adopted(added=1)
    assert [r[1:] for r in rows(site, table)] == [([], None, "service", "product", "")]


def test_what_only_the_table_of_the_other_plugin_knows_is_read_there(
    make_site: MakeSite, tmp_path: Path
) -> None:
    """A bulk import writes no revision: the columns are read where they lie."""
    site = make_site("marketplace")
    path = tmp_path / "needs.csv"
    head = "external_id,title,body,region,keywords,budget,deadline"
    path.write_text(f"{head}\no-1,检测,检测服务,511402,土壤；水,1200,2027-05-01\n", encoding="utf-8")
    run(site, site.importers["needs"], path, system())
    table = cast(sa.Table, Need.__table__)
    before = rows(site, table)
    with site.writing() as unit:
        # The other plugin's table, as the marketplace would find it had it been replaced.
        columns = "id INTEGER, keywords JSON, discipline TEXT, budget BIGINT, deadline DATE, outcome TEXT"
        key = "FOREIGN KEY (id) REFERENCES core_content (id) ON DELETE CASCADE"
        unit.session.execute(sa.text(f"CREATE TABLE stall_need ({columns}, {key})"))
        unit.session.execute(sa.text("INSERT INTO stall_need SELECT * FROM marketplace_need"))
        unit.session.execute(sa.delete(table))
    manifests = dict(site.plugins.installation.manifests)
    stall = replace(manifests["marketplace"], name="stall", replaces="marketplace")
    site.plugins.installation = Installation(manifests | {"stall": stall}, {})
    assert adopt_all(site, system()) == Adopted(added=1)
    assert rows(site, table) == before


def test_a_field_that_a_third_plugin_asks_for_keeps_nothing_out(
    site: Site,
) -> None:
    ids = write(site, 1)
    lose(site, ids)
    added = ContentField("popsci.article", "mark", fields.String(required=True), "标记", "mark", slot="other")
    site.types["popsci.article"] = with_fields(article_type(), [added])
    assert adopt_all(site, system()) == Adopted(added=1)


def test_what_does_not_fit_stays_stored_and_is_named(site: Site) -> None:
    one, two = write(site, 2)
    with site.writing() as unit:
        unit.session.execute(
            sa.update(Revision).where(Revision.content_id == one).values(data={"source": "x"})
        )
    lose(site, [one, two])
    done = adopt_all(site, system())
    with site.reading() as unit:
        wanted = unit.session.scalar(sa.select(STORED.c.public_id).where(STORED.c.id == one))
    assert (done.added, [p for p, _ in done.refused]) == (1, [wanted])
    assert "分类" in done.refused[0][1]
    assert left(site) == {"popsci.article": 1} and len(rows(site, STORED)) == 2
    result = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), "doctor"])
    assert "1 popsci.article" in result.output and "keyun plugins adopt popsci" in result.output
    result = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), "plugins", "adopt", "popsci"])
    assert result.exit_code == 1 and str(wanted) in result.stderr
    with site.writing() as unit:
        unit.session.execute(sa.update(Revision).where(Revision.content_id == one).values(data=TEXT))
    result = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), "plugins", "adopt", "popsci"])
    assert result.exit_code == 0, result.output
    assert left(site) == {}


def test_an_interrupted_run_goes_on_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = write(site, 7)
    before = rows(site)
    lose(site, ids)
    monkeypatch.setattr(adoption, "CHUNK", 2)
    whole, calls = adoption.adopt, []

    def breaks(*arguments: Any) -> Adopted:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(adoption, "adopt", breaks)
    with pytest.raises(KeyboardInterrupt):
        adopt_all(site, system())
    assert len(rows(site)) == 4
    monkeypatch.setattr(adoption, "adopt", whole)
    assert adopt_all(site, system()) == Adopted(added=3)
    assert rows(site) == before


def test_the_worker_takes_over_what_ending_processes_still_wrote(site: Site) -> None:
    write(site, 2)
    Worker(site).schedule()
    Worker(site).drain()
    (late,) = write(site, 1)
    lose(site, [late])
    site.jobs["core.adopt"].run(site)
    assert left(site) == {}


def test_two_runs_at_once_add_each_row_once(site: Site) -> None:
    ids = write(site, 20)
    before = rows(site)
    lose(site, ids)
    done: list[Adopted] = []
    threads = [threading.Thread(target=lambda: done.append(adopt_all(site, system()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 3 and rows(site) == before


def test_only_who_may_import_takes_over(site: Site) -> None:
    with pytest.raises(Forbidden):
        adopt_all(site, anonymous())
