"""巴蜀科技云: it tells what this node is, and that nothing is exchanged yet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from keyun.access import system
from keyun.cli import cli
from keyun.content import Content
from keyun.exchange import run
from keyun.site import Site
from keyun.testing import browse

MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
SITE = {"title": "眉山科云", "title_en": "Keyun Meishan", "operator": "眉山市科协", "region": "511400"}


def filled(make_site: MakeSite) -> Site:
    """A site of 眉山市 with 12 published resources: two for partner nodes, one for everybody."""
    site = make_site("emergency", "bayu_bridge", config={"site": SITE})
    (file,) = site.plugins.demo()
    run(site, site.importers[file.importer], file.path, system())
    with site.writing() as unit:
        for share, ids in (("federation", ("001", "002")), ("public", ("003",))):
            names = [f"emergency-demo-{i}" for i in ids]
            unit.session.execute(sa.update(Content).where(Content.external_id.in_(names)).values(share=share))
        gone = Content.external_id == "emergency-demo-004"
        unit.session.execute(sa.update(Content).where(gone).values(share="public", state="withdrawn"))
    return site


def test_the_page_shows_the_node_and_what_is_declared_shareable(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    client = browse(make_app(site=filled(make_site)))
    page = client.get("/bayu_bridge/").get_data(as_text=True)
    for words in ("眉山科云", "眉山市科协", "四川省眉山市 (511400)", "节点之间的数据交换尚未实现"):
        assert words in page
    row = re.search(r"应急科普资料</th>(.*?)</tr>", page, re.S)
    assert row is not None
    assert re.findall(r">(\d+)<", row[1]) == ["8", "0", "2", "1"]
    english = client.get("/bayu_bridge/?lang=en").get_data(as_text=True)
    assert "Exchange between nodes is not built yet" in english and "Keyun Meishan" in english


def test_the_command_and_the_api_say_the_same(make_site: MakeSite, make_app: MakeApp) -> None:
    site = filled(make_site)
    folder = str(site.runtime.instance)
    told = CliRunner().invoke(cli, ["--instance", folder, "bridge", "status", "--json"])
    assert told.exit_code == 0, told.output
    node = json.loads(told.stdout)
    assert node == browse(make_app(site=site)).get("/api/v1/bayu_bridge/node").get_json()
    assert node["exchange"] is False
    assert node["types"] == [
        {
            "type": "emergency.resource", "title": "应急科普资料", "title_en": "emergency resource",
            "local": 8, "region": 0, "federation": 2, "public": 1,
        }
    ]  # fmt: skip
    plain = CliRunner().invoke(cli, ["--instance", folder, "bridge", "status"])
    assert plain.exit_code == 0
    assert "not built yet; nothing is sent" in plain.stdout
    assert re.search(r"emergency\.resource\s+8\s+0\s+2\s+1\b", plain.stdout)


def test_it_works_alone(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bayu_bridge")
    assert not site.plugins.faults
    client = browse(make_app(site=site))
    assert "本站没有启用带内容类型的插件" in client.get("/bayu_bridge/").get_data(as_text=True)
    assert client.get("/api/v1/bayu_bridge/node").get_json()["types"] == []


def test_the_manual_says_plainly_what_is_missing() -> None:
    manual = Path(__file__).parents[3] / "plugins" / "bayu_bridge" / "README.md"
    assert "Exchange between nodes is not built yet" in manual.read_text(encoding="utf-8")
