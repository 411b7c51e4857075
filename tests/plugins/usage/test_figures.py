"""Questions and answers: service, page, API, command; who may ask; what a figure says about itself."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun.access import Actor, anonymous, system
from keyun.cli import cli
from keyun.errors import Forbidden, Invalid
from keyun.site import Site
from keyun.testing import Browser, MakeApp, browse, make_item, make_user
from keyun_usage import importing, places, services
from keyun_usage.models import Counter, People
from keyun_usage.services import child_of
from tests.plugins.usage.conftest import CHENGDU, DONGPO, NOON, Usage, Use

DAY = dt.timedelta(days=1)
FIRST, LAST = dt.date(2026, 11, 1), dt.date(2026, 11, 30)
ARTICLE: dict[str, Any] = {
    "category": "life",
    "source": "示范资料",
    "voucher": "示范学会",
    "region": "511402",
}
EDITOR = Actor(user_id=1, login="editor", grants=(("editor", "511400"),))


def keyun(site: Site, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), *arguments])


@pytest.fixture
def year(usage: Usage) -> Usage:
    """Four people in three counties over three months; some visitors, a robot."""
    july, september = NOON - 130 * DAY, NOON - 70 * DAY
    usage.write(
        Use(1, at=july),
        Use(1, at=september),
        Use(2, at=september, region=DONGPO, channel="phone"),
        Use(3, at=september, region=CHENGDU),
        Use(3, region=CHENGDU),
        Use(4, subject="emergency.resource"),
        Use(77, registered=False),
        Use(78, registered=False, agent="robot"),
    )
    usage.fold()
    return usage


def test_people_of_several_months_and_places_count_once(year: Usage) -> None:
    made = year.report(start=dt.date(2026, 7, 1), end=LAST)
    assert (made.total.users, made.total.visitors, made.total.excluded) == (6, 1, 1)
    assert made.distinct.people == 4
    assert {code: people for code, (_, people) in made.by_place.items()} == {"510100": 1, "511400": 3}
    assert made.anonymous_share == pytest.approx(1 / 7)


def test_people_count_once_over_the_turn_of_a_year(usage: Usage) -> None:
    january = NOON + 40 * DAY
    usage.write(Use(1), Use(2), Use(1, at=january), Use(3, DONGPO, at=january))
    usage.fold()
    made = usage.report(start=NOON.date(), end=january.date())
    assert (made.distinct.people, made.distinct.last_month) == (3, 202701)
    assert usage.report(start=january.date(), end=january.date()).distinct.people == 2


def test_a_city_is_the_sum_of_its_counties_and_no_more(year: Usage) -> None:
    made = year.report("511400", dt.date(2026, 9, 1), dt.date(2026, 9, 30))
    assert (made.total.counted, made.distinct.people) == (2, 2)
    assert set(made.by_place) == {"511402", "511424"}
    assert {n: t.counted for n, t in made.by_channel.items()} == {"web": 1, "phone": 1}


def test_person_times_are_of_the_days_and_people_of_their_whole_months(year: Usage) -> None:
    day = (NOON - 70 * DAY).date()
    made = year.report(start=day + DAY, end=day + 2 * DAY)
    assert made.total.counted == 0
    assert made.anonymous_share is None
    assert (made.distinct.first_month, made.distinct.people) == (202609, 3)


def test_a_figure_says_its_rule_its_days_and_up_to_when(year: Usage) -> None:
    made = year.report()
    assert made.as_of == NOON + dt.timedelta(hours=1, seconds=-1)
    (used,) = made.rules
    assert (used.id, used.first_day, used.last_day) == ("opened-1", NOON.date(), NOON.date())
    assert used.rule is not None
    assert "人次" in used.rule.says


@pytest.mark.parametrize(
    ("region", "start", "end", "field"),
    [
        ("999999", FIRST, LAST, "region"),
        ("510000", LAST, FIRST, "to"),
        ("510000", dt.date(1990, 1, 1), LAST, "from"),
        ("510000", dt.date(2001, 1, 1), dt.date(2026, 1, 1), "from"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    usage: Usage, region: str, start: dt.date, end: dt.date, field: str
) -> None:
    with usage.site.reading() as unit, pytest.raises(Invalid) as e:
        services.report(system(), unit, region, start, end)
    assert set(e.value.fields) == {field}


def test_a_role_reads_the_figures_of_its_region_only(year: Usage) -> None:
    with year.site.reading() as unit:
        assert services.report(EDITOR, unit, "511424", FIRST, LAST).total.counted == 2
        assert services.default_region(EDITOR, unit) == "511400"
        for actor, region in ((EDITOR, "510000"), (EDITOR, "510105"), (anonymous(), "511424")):
            with pytest.raises(Forbidden):
                services.report(actor, unit, region, FIRST, LAST)


def test_places_roll_up_by_their_codes() -> None:
    assert child_of("100000", "511424") == "510000"
    assert child_of("510000", "511424") == "511400"
    assert child_of("511400", "511424") == "511424"
    assert child_of("511424", "511424") == "511424"


# Pages, API, commands ---------------------------------------------------------------------------------------


def staff(usage: Usage, make_app: MakeApp, region: str = "510000") -> Browser:
    with usage.site.writing() as unit:
        user = make_user(unit, "staff", roles=[("staff", region)])
    browser = browse(make_app(site=usage.site))
    browser.log_in(user)
    return browser


def test_what_is_opened_on_a_page_and_by_the_api_becomes_a_figure(usage: Usage, make_app: MakeApp) -> None:
    with usage.site.writing() as unit:
        number = make_item(unit, "popsci.article", title="看星星", **ARTICLE).public_id
    browser = staff(usage, make_app, "511400")
    browser.get(f"/popsci/{number}")
    browse(make_app(site=usage.site)).get(f"/api/v1/popsci/articles/{number}", headers={"User-Agent": "curl"})
    places.spool_of(usage.site).close()
    assert usage.fold() == 2
    page = browser.get("/usage/").get_data(as_text=True)
    assert '<dd class="h4">2</dd>' in page
    assert "眉山市" in page
    made = usage.report("511400")
    assert {n: (t.users, t.visitors) for n, t in made.by_channel.items()} == {"web": (1, 0), "api": (0, 1)}
    assert made.by_subject.keys() == {"popsci.article"}


def test_a_page_is_served_when_the_spool_cannot_be_written(usage: Usage, make_app: MakeApp) -> None:
    usage.folder.parent.mkdir(parents=True, exist_ok=True)
    usage.folder.write_text("no folder")
    with usage.site.writing() as unit:
        number = make_item(unit, "popsci.article", title="看星星", **ARTICLE).public_id
    browser = browse(make_app(site=usage.site))
    spool = places.spool_of(usage.site)
    for _ in range(3):
        assert browser.get(f"/popsci/{number}").status_code == 200
        spool.flush()
    usage.folder.unlink()
    spool.close()
    assert usage.fold() == 3


def test_the_page_shows_definition_and_exclusions_and_the_table_downloads(
    year: Usage, make_app: MakeApp
) -> None:
    browser = staff(year, make_app)
    page = browser.get("/usage/?from=2026-07-01&to=2026-11-30").get_data(as_text=True)
    for text in ("科普文章", "opened-1", "搜索引擎等机器人", "数据截至", "成都市", "未登录者占人次的比例"):
        assert text in page
    table = browser.get("/usage/report.csv?from=2026-07-01&to=2026-11-30")
    assert table.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(table.get_data(as_text=True).removeprefix("\ufeff"))))
    assert (rows[0]["kind"], rows[0]["times"], rows[0]["people"]) == ("total", "7", "4")
    assert {r["rule"] for r in rows} == {"opened-1"}


def test_no_word_becomes_a_formula_in_a_spreadsheet(usage: Usage, make_app: MakeApp, tmp_path: Path) -> None:
    past = tmp_path / "past.csv"
    past.write_text("day,region,channel,type,users,visitors\n2026-11-01,511424,=1+1,@x,1,0\n")
    importing.import_csv(system(), usage.site, past, "past-1")
    address = "/usage/report.csv?from=2026-11-01&to=2026-11-30"
    page = staff(usage, make_app).get(address).get_data(as_text=True)
    days = ("--from", "2026-11-01", "--to", "2026-11-30")
    printed = keyun(usage.site, "usage", "report", *days, "--csv")
    for text in (page, printed.output):
        assert "channel,'=1+1,'=1+1,1" in text
        assert "type,'@x,'@x,1" in text


def test_the_page_refuses_nonsense_with_its_form(usage: Usage, make_app: MakeApp) -> None:
    browser = staff(usage, make_app)
    answer = browser.get("/usage/?from=yesterday")
    assert answer.status_code == 422
    assert "请填写日期" in answer.get_data(as_text=True)
    assert browser.get("/usage/?from=2026-12-01&to=2026-11-01").status_code == 422
    assert browser.get("/usage/?region=510105").status_code == 200
    assert browser.get("/usage/?region=110000").status_code == 403


def test_visitors_see_neither_page_nor_entry(usage: Usage, make_app: MakeApp) -> None:
    browser = browse(make_app(site=usage.site))
    assert browser.get("/usage/").status_code == 303
    assert "使用统计" not in browser.get("/").get_data(as_text=True)
    assert browser.get("/api/v1/usage/rules").status_code == 403


def test_the_api_answers_with_everything_a_figure_needs(year: Usage, make_app: MakeApp) -> None:
    browser = staff(year, make_app)
    answer = browser.get("/api/v1/usage/report?region=510000&from=2026-07-01&to=2026-11-30").get_json()
    assert answer["total"] == {"counted": 7, "users": 6, "visitors": 1, "excluded": 1}
    assert answer["distinct"]["people"] == 4
    assert answer["distinct"]["first_month"] == "2026-07"
    assert {p["code"]: p["people"] for p in answer["places"]} == {"510100": 1, "511400": 3}
    assert answer["rules"][0]["says_en"].startswith("A page")
    assert answer["excluded"][0]["code"] == "robot"
    (rule,) = browser.get("/api/v1/usage/rules").get_json()["items"]
    assert (rule["id"], rule["active"]) == ("opened-1", True)
    assert browser.get("/api/v1/usage/report?region=510000&from=1&to=2").status_code == 422


def test_the_command_line_reports_as_text_csv_and_json(year: Usage) -> None:
    period = ("--from", "2026-07-01", "--to", "2026-11-30")
    text = keyun(year.site, "usage", "report", *period)
    assert text.exit_code == 0, text.output
    assert "person-times 7" in text.output
    assert "excluded by opened-1: 1" in text.output
    data = json.loads(keyun(year.site, "usage", "report", "--region", "511400", *period, "--json").output)
    assert (data["total"]["counted"], data["distinct"]["people"]) == (5, 3)
    assert keyun(year.site, "usage", "report", *period, "--csv").output.startswith("kind,key,name,times")
    assert keyun(year.site, "usage", "report", "--from", "today", "--to", "x").exit_code == 2
    assert keyun(year.site, "usage", "report", "--region", "1", *period).exit_code == 1
    assert json.loads(keyun(year.site, "usage", "rules", "--json").output)[0]["id"] == "opened-1"
    assert "0 records" in keyun(year.site, "usage", "fold").output


def test_disabling_usage_leaves_the_others_alone_and_its_figures_stay(year: Usage, make_app: MakeApp) -> None:
    instance = year.site.runtime.instance
    without = Site.open(year.site.runtime, ["popsci"])
    with without.writing() as unit:
        number = make_item(unit, "popsci.article", title="看星星", **ARTICLE).public_id
    assert browse(make_app(site=without)).get(f"/popsci/{number}").status_code == 200
    again = Site.open(year.site.runtime, ["popsci", "usage"])
    assert list((instance / "usage" / "spool").glob("*")) == []
    with again.reading() as unit:
        assert services.report(system(), unit, "510000", dt.date(2026, 7, 1), LAST).total.counted == 7


def test_a_county_keeps_its_past_under_an_older_code_and_a_role_is_asked_where_it_leads(usage: Usage) -> None:
    usage.write(Use(1, region=513402), Use(2, region=513401))
    usage.fold()
    with usage.site.writing() as unit:
        # What was counted while the old code was in force.
        unit.session.execute(sa.update(Counter).where(Counter.region == 513402).values(region=513425))
        unit.session.execute(sa.update(People).where(People.region == 513402).values(region=513425))
    for region in ("513402", "513425"):
        made = usage.report(region)
        assert (made.region, made.total.counted, made.distinct.people) == ("513402", 1, 1)
        assert bool(made.note) is (region == "513425")
    city = usage.report("513400")
    assert {code: (t.counted, n) for code, (t, n) in city.by_place.items()} == {
        "513401": (1, 1),
        "513402": (1, 1),
    }
    old_only = Actor(user_id=1, grants=(("staff", "513425"),))
    with usage.site.reading() as unit, pytest.raises(Forbidden):
        services.report(old_only, unit, "513425", FIRST, LAST)
