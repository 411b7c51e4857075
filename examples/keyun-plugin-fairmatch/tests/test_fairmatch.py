"""A scorer that leaves room for more than one owner. Only Keyun's public test kit is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keyun.cli import cli
from keyun.site import Site
from keyun.testing import browse, make_organization

MakeSite = Callable[..., Site]
SENTENCE = "柑橘园木虱防控"
REASON = "同一发布者已有"


@pytest.fixture
def offers(tmp_path: Path) -> Path:
    """Three offers of one institute that fit very well, and one of another that fits less."""
    rows = [
        {"external_id": "a-1", "title": "柑橘木虱防控", "organization": "o-1"},
        {"external_id": "a-2", "title": "柑橘园木虱防控", "organization": "o-1"},
        {"external_id": "a-3", "title": "柑橘木虱统防", "organization": "o-1"},
        {"external_id": "b-1", "title": "木虱防控服务", "organization": "o-2"},
    ]
    path = tmp_path / "offers.jsonl"
    lines = (r | {"body": "木虱防控", "region": "511402", "keywords": []} for r in rows)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in lines), encoding="utf-8")
    return path


def matches(make_site: MakeSite, offers: Path, *plugins: str, **settings: Any) -> list[dict[str, Any]]:
    site = make_site("marketplace", *plugins, config={"plugin": {"fairmatch": settings}} if settings else {})
    with site.writing() as unit:
        make_organization(unit, "示例甲所", external_id="o-1")
        make_organization(unit, "示例乙所", external_id="o-2")
    keyun(site, "import", "offers", str(offers))
    answer = keyun(site, "marketplace", "match", "--text", SENTENCE, "--json")
    found: list[dict[str, Any]] = json.loads(answer)["matches"]
    return found


def keyun(site: Site, *arguments: str) -> str:
    answer = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), *arguments])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def reasons(match: dict[str, Any]) -> list[str]:
    return [p["why"] for p in match["parts"] if REASON in p["why"]]


def test_another_owner_is_seen_before_the_third_offer_of_one(make_site: MakeSite, offers: Path) -> None:
    plain = [m["title"] for m in matches(make_site, offers)]
    fair = [m["title"] for m in matches(make_site, offers, "fairmatch", step=0.3)]
    assert set(plain) == set(fair) and plain[0] == fair[0]
    assert plain.index("木虱防控服务") > fair.index("木虱防控服务")


def test_the_loss_is_a_reason_and_the_parts_add_up(make_site: MakeSite, offers: Path) -> None:
    found = matches(make_site, offers, "fairmatch")
    told = sorted(r for m in found for r in reasons(m))
    assert told == ["同一发布者已有 1 项排在前面", "同一发布者已有 2 项排在前面"]
    for match in found:
        assert sum(p["value"] for p in match["parts"]) == pytest.approx(match["score"], abs=1e-3)
        words = sum(p["value"] for p in match["parts"] if p["name"] in ("terms", "wording"))
        lost = [-p["value"] for p in match["parts"] if REASON in p["why"]]
        assert not lost or lost[0] in (
            pytest.approx(words * 0.15, abs=1e-3),
            pytest.approx(words * 0.3, abs=1e-3),
        )


def test_with_step_zero_the_scores_stay(make_site: MakeSite, offers: Path) -> None:
    plain = [(m["title"], m["score"]) for m in matches(make_site, offers)]
    assert [(m["title"], m["score"]) for m in matches(make_site, offers, "fairmatch", step=0.0)] == plain


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_reason_is_english_on_an_english_page(
    make_site: MakeSite, make_app: Callable[..., Any], offers: Path
) -> None:
    site = make_site("marketplace", "fairmatch")
    with site.writing() as unit:
        make_organization(unit, "示例甲所", external_id="o-1")
        make_organization(unit, "示例乙所", external_id="o-2")
    keyun(site, "import", "offers", str(offers))
    page = (
        browse(make_app(site=site)).get(f"/marketplace/match?text={SENTENCE}&lang=en").get_data(as_text=True)
    )
    assert "1 of the same owner stand before it" in page and REASON not in page
