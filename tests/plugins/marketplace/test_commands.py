"""The command line of the marketplace, and its imports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun.access import system
from keyun.cli import cli
from keyun.content import Content
from keyun.exchange import run
from keyun.site import Site
from keyun.testing import make_organization, make_user

Market = Any
OFFER = {
    "title": "柑橘黄龙病检测",
    "body": "PCR 检测",
    "keywords": ["黄龙病"],
    "region": "511402",
    "discipline": "植物保护",
}


def keyun(site: Site, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), *arguments])


def write(folder: Path, rows: list[dict[str, Any]], name: str = "offers.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    return path


def do_import(site: Site, name: str, path: Path) -> Any:
    return run(site, site.importers[name], path, system())


def count(site: Site) -> int:
    with site.reading() as unit:
        return unit.session.scalar(sa.select(sa.func.count()).select_from(Content.__table__)) or 0


def test_a_sentence_is_matched_and_explained(full_market: Market) -> None:
    answer = keyun(
        full_market.site, "marketplace", "match", "--text", "柑橘黄龙病检测", "--top", "2", "--json"
    )
    assert answer.exit_code == 0, answer.output
    result = json.loads(answer.stdout)
    assert set(result) == {"need", "matches"}
    assert len(result["matches"]) == 2
    first = result["matches"][0]
    assert (first["kind"], first["title"]) == ("offer", "柑橘黄龙病 PCR 检测")
    assert set(first) == {"kind", "id", "title", "score", "parts"}
    assert sum(p["value"] for p in first["parts"]) == pytest.approx(first["score"], abs=1e-3)
    assert {"name", "value", "why"} == set(first["parts"][0])


def test_a_stored_need_is_matched_by_its_id(full_market: Market) -> None:
    need = full_market.need(full_market.actor("asker"))
    answer = keyun(full_market.site, "marketplace", "match", need.public_id)
    assert answer.exit_code == 0, answer.output
    assert "都提到「黄龙病」" in answer.stdout


@pytest.mark.parametrize("arguments", [[], ["x", "--text", "y"]])
def test_wrong_usage_exits_with_two(full_market: Market, arguments: list[str]) -> None:
    assert keyun(full_market.site, "marketplace", "match", *arguments).exit_code == 2


def test_the_index_is_rebuilt_and_verified(full_market: Market) -> None:
    assert keyun(full_market.site, "marketplace", "index", "rebuild").exit_code == 0
    answer = keyun(full_market.site, "marketplace", "index", "verify", "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["offers"] == {
        "records": 4,
        "missing": 0,
        "stale": 0,
        "extra": 0,
        "behind": 0,
    }


def test_importing_again_changes_and_never_doubles(market: Market, tmp_path: Path) -> None:
    site = market.site
    path = write(tmp_path, [OFFER | {"external_id": f"o{n}"} for n in range(5)])
    assert (do_import(site, "offers", path).created, count(site)) == (5, 5)
    write(tmp_path, [OFFER | {"external_id": f"o{n}", "title": "改名后的检测"} for n in range(6)])
    report = do_import(site, "offers", path)
    assert (report.created, report.changed, count(site)) == (1, 5, 6)
    answer = keyun(site, "marketplace", "match", "--text", "改名后的检测", "--json")
    assert "改名后的检测" in {m["title"] for m in json.loads(answer.stdout)["matches"]}


def test_a_row_that_says_nothing_new_leaves_version_and_log_alone(market: Market, tmp_path: Path) -> None:
    from keyun.events import Event

    def events() -> int:
        with market.site.reading() as unit:
            return unit.session.scalar(sa.select(sa.func.count()).select_from(Event)) or 0

    path = write(tmp_path, [OFFER | {"external_id": f"o{n}"} for n in range(3)])
    do_import(market.site, "offers", path)
    before = events()
    assert do_import(market.site, "offers", path).changed == 0
    assert events() == before
    write(
        tmp_path, [OFFER | {"external_id": f"o{n}", "keywords": ["黄龙病", f"新{n % 2}"]} for n in range(3)]
    )
    assert do_import(market.site, "offers", path).changed == 3


def test_a_bad_row_is_kept_with_its_reason_and_the_others_go_in(market: Market, tmp_path: Path) -> None:
    rows = [
        OFFER | {"external_id": "good"},
        OFFER | {"external_id": "place", "region": "999999"},
        OFFER | {"external_id": "owner", "owner": "nobody"},
        OFFER | {"external_id": "good"},
        OFFER | {"external_id": "title", "title": ""},
        OFFER | {"external_id": "long", "body": "长" * 20_001},
    ]
    report = do_import(market.site, "offers", write(tmp_path, rows))
    assert (report.created, report.failed) == (1, 5)
    text = (tmp_path / "offers.jsonl.errors.csv").read_text(encoding="utf-8-sig")
    for words in ("999999", "nobody", "external_id", "须为 2 至 120 个字", "20000"):
        assert words in text, words


def test_needs_and_people_are_imported_for_their_owners(market: Market, tmp_path: Path) -> None:
    with market.site.writing() as unit:
        make_user(unit, "li", external_id="u1", level=2)
        make_organization(unit, "合作社", external_id="org1")
    need: dict[str, Any] = {
        "external_id": "n1",
        "title": "柑橘黄化",
        "body": "叶片黄化",
        "region": "511424",
        "owner": "u1",
        "organization": "org1",
    }
    need |= {"budget": 5000, "deadline": "2027-03-31"}
    assert do_import(market.site, "needs", write(tmp_path, [need], "needs.jsonl")).created == 1
    person = {"user": "u1", "title": "农艺师", "keywords": "柑橘，黄化", "findable": True}
    people = write(tmp_path, [person, {"user": "gone", "title": "x"}], "people.jsonl")
    report = do_import(market.site, "people", people)
    assert (report.created, report.failed) == (1, 1)
    assert (do_import(market.site, "people", people).changed) == 1


def test_an_import_that_is_killed_goes_on_to_the_same_end(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, [OFFER | {"external_id": f"o{n}"} for n in range(2500)])
    site, calls = market.site, []
    real: Callable[..., Any] = site.importers["offers"].write

    def power_cut(actor: Any, unit: Any, rows: Any) -> Any:
        calls.append(len(rows))
        if len(calls) == 2:
            real(actor, unit, rows)
            raise KeyboardInterrupt
        return real(actor, unit, rows)

    from dataclasses import replace

    broken = replace(site.importers["offers"], write=power_cut)
    with pytest.raises(KeyboardInterrupt):
        run(site, broken, path, system())
    assert count(site) == 1000
    do_import(site, "offers", path)
    assert count(site) == 2500


def test_an_evaluation_needs_no_instance_and_touches_no_database(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    offers = [
        {"id": f"o{n}", "title": t, "body": t} for n, t in enumerate(("柑橘黄龙病检测", "钒钛合金熔炼"))
    ]
    write(folder, offers)
    write(folder, [{"id": "n0", "text": "柑橘黄龙病"}], "needs.jsonl")
    (folder / "qrels.tsv").write_text("n0\to0\t1\n")
    nowhere = tmp_path / "nowhere"
    arguments = ["--instance", str(nowhere), "marketplace", "evaluate", str(folder), "--json"]
    answer = CliRunner().invoke(cli, arguments)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["engine"]["ndcg@10"] == 1.0
    assert not nowhere.exists()


def test_a_broken_set_is_refused_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "offers.jsonl").write_text("{")
    answer = CliRunner().invoke(cli, ["marketplace", "evaluate", str(tmp_path)])
    assert answer.exit_code == 1
    assert "offers.jsonl, line 1" in answer.stderr
