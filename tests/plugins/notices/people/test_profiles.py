"""What people state of themselves, and who may count them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun.access import Actor, anonymous, system
from keyun.accounts import User, actor_for, create_token
from keyun.accounts.personal import erase, export
from keyun.cli import cli
from keyun.errors import Forbidden, Invalid
from keyun.exchange import run
from keyun.site import Site
from keyun.testing import Clock, MakeApp, MakeSite, browse, make_user
from keyun_notices.people.models import Interest, Profile
from keyun_notices.people.resident import resident
from keyun_notices.people.services import Said, count, described, profile, save_profile

TEA = {"attribute": "interests", "in": ["茶叶"]}


class Town:
    """A site with a few people and staff of one prefecture."""

    def __init__(self, site: Site) -> None:
        self.site = site
        with site.writing() as unit:
            self.an = actor_for(make_user(unit, "an", region="511402", level=3))
            self.bo = actor_for(make_user(unit, "bo", region="510104"))
            make_user(unit, "cai", region="511424")
            roles = [("staff", "511400")]
            self.staff = actor_for(make_user(unit, "staff", region="510104", roles=roles))

    def user(self, actor: Actor) -> User:
        with self.site.reading() as unit:
            return unit.session.get_one(User, actor.user_id)

    def save(self, actor: Actor, **values: Any) -> Said:
        with self.site.writing() as unit:
            return save_profile(actor, unit, values)

    def key(self, actor: Actor) -> dict[str, str]:
        with self.site.writing() as unit:
            user = unit.session.get_one(User, actor.user_id)
            return {"Authorization": f"Bearer {create_token(actor_for(user), unit, user, 'test')}"}


@pytest.fixture
def town(make_site: MakeSite) -> Iterator[Town]:
    yield Town(make_site("notices"))


def keyun(site: Site, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), *arguments], input=typed)


# Profiles -----------------------------------------------------------------------------------------------


def test_one_states_changes_and_forgets_a_profile(town: Town) -> None:
    assert town.save(town.an, birth_year=1985, title=4, interests=["柑橘", "茶叶"]) == Said(
        1985, 4, ("柑橘", "茶叶")
    )
    assert town.save(town.an, interests="茶叶，气象") == Said(None, None, ("气象", "茶叶"))
    with town.site.reading() as unit:
        assert profile(town.an, unit) == Said(None, None, ("气象", "茶叶"))
        assert profile(town.bo, unit) == Said()
        with pytest.raises(Forbidden):
            profile(anonymous(), unit)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"birth_year": 1899}, "birth_year"),
        ({"birth_year": 2027}, "birth_year"),
        ({"birth_year": "x"}, "birth_year"),
        ({"title": 6}, "title"),
        ({"interests": [f"t{n}" for n in range(21)]}, "interests"),
        ({"interests": ["长" * 41]}, "interests"),
        ({"interests": {"a": 1}}, "interests"),
    ],
)
def test_what_cannot_be_is_refused(town: Town, clock: Clock, values: dict[str, Any], field: str) -> None:
    clock.now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    with pytest.raises(Invalid) as refused:
        town.save(town.an, **values)
    assert list(refused.value.fields) == [field]


def test_nobody_under_fourteen_has_interests(town: Town, clock: Clock) -> None:
    year = clock().year
    town.save(town.an, interests=["茶叶"])
    for young in (year - 8, year - 14):
        with pytest.raises(Invalid, match="14"):
            town.save(town.an, birth_year=young, interests=["茶叶"])
    assert town.save(town.an, birth_year=year - 8, interests=[]) == Said(year - 8, None, ())
    assert town.save(town.an, birth_year=year - 15, interests=["茶叶"]).interests == ("茶叶",)


def test_export_and_erasure_reach_the_profile(town: Town) -> None:
    town.save(town.an, birth_year=1985, interests=["茶叶"])
    with town.site.reading() as unit:
        found = export(system(), unit, unit.session.get_one(User, town.an.user_id))
    assert found["notices_profile"][0]["birth_year"] == 1985
    assert found["notices_interest"][0]["topic"] == "茶叶"
    number = town.an.user_id
    assert number is not None
    with town.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, number))
    with town.site.reading() as unit:
        assert not unit.session.scalars(sa.select(Profile)).all()
        assert not unit.session.scalars(sa.select(Interest)).all()
        assert number not in resident(town.site).people(unit).universe


def test_profiles_are_imported_and_a_second_import_keeps_what_a_row_leaves_empty(
    town: Town, tmp_path: Path, clock: Clock
) -> None:
    with town.site.reading() as unit:
        names = {row[0]: row[1] for row in unit.session.execute(sa.select(User.login, User.public_id))}
    young = clock().year - 9

    def imported(*rows: dict[str, Any]) -> Any:
        path = tmp_path / "profiles.jsonl"
        path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
        return run(town.site, town.site.importers["people-profiles"], path, system())

    first = imported(
        {"user": names["an"], "birth_year": 1985, "title": 4, "interests": "茶叶，柑橘"},
        {"user": names["bo"], "birth_year": young, "interests": "茶叶"},
        {"user": names["cai"], "birth_year": young},
        {"user": "nobody", "birth_year": 1985},
    )
    assert (first.created, first.changed, first.failed) == (2, 0, 2)
    second = imported({"user": names["an"], "title": 5}, {"user": names["cai"], "interests": "茶叶"})
    assert (second.created, second.changed, second.failed) == (0, 1, 1)
    with town.site.reading() as unit:
        assert profile(town.an, unit) == Said(1985, 5, ("柑橘", "茶叶"))
        assert profile(town.bo, unit) == Said()


def test_the_page_saves_and_shows_what_is_wrong(make_app: MakeApp, town: Town) -> None:
    browser = browse(make_app(site=town.site))
    assert browser.get("/notices/profile").status_code in (302, 303)
    browser.log_in(town.user(town.an))
    form = {"birth_year": "1985", "title": "4", "interests": "茶叶，柑橘"}
    assert browser.submit("/notices/profile", form).status_code == 303
    page = browser.get("/notices/profile").text
    assert 'value="1985"' in page and "柑橘，茶叶" in page and 'value="4" selected' in page
    answer = browser.submit("/notices/profile", form | {"birth_year": "1700"})
    assert answer.status_code == 422 and 'id="birth_year-error"' in answer.text and "1700" in answer.text


# Counting -----------------------------------------------------------------------------------------------


def test_staff_count_people_of_their_own_region_only(town: Town) -> None:
    for actor in (town.an, town.bo):
        town.save(actor, interests=["茶叶"])
    with town.site.reading() as unit:
        counted = count(town.staff, unit, TEA)
        assert (counted.trial.count, counted.trial.of, list(counted.regions)) == (1, 2, ["511400"])
        assert [s.region for s in counted.sample] == ["511402"]
        assert count(town.staff, unit, TEA, "511424").trial.count == 0
        assert count(system(), unit, TEA).trial.count == 2
        with pytest.raises(Forbidden):
            count(town.staff, unit, TEA, "510104")
        with pytest.raises(Forbidden):
            count(town.bo, unit, TEA)
        with pytest.raises(Invalid):
            count(town.staff, unit, {"attribute": "region", "within": ["999999"]})


def test_values_are_listed_where_one_may_count(town: Town) -> None:
    town.save(town.an, interests=["茶叶"])
    town.save(town.bo, interests=["气象"])
    with town.site.reading() as unit:
        listed = {d.attribute.name: list(d.values) for d in described(town.staff, unit)}
    assert listed["interests"] == [("茶叶", 1)]
    assert listed["level"] == [(1, 1), (3, 1)] and listed["title"] == []


def test_programs_count_and_are_told_what_is_wrong(make_app: MakeApp, town: Town) -> None:
    town.save(town.an, interests=["茶叶"])
    api, key = make_app(site=town.site).test_client(), town.key(town.staff)
    answer = api.post("/api/v1/notices/audience/count", json={"audience": {"all": [TEA]}}, headers=key)
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["count"], body["of"], body["regions"]) == (1, 2, ["511400"])
    assert [(c["path"], c["kind"], c["count"]) for c in body["clauses"]] == [
        ("", "all", 1),
        ("all[0]", "test", 1),
    ]
    assert set(body["sample"][0]) == {"id", "region", "level"}
    wrong = api.post("/api/v1/notices/audience/count", json={"audience": {"all": [{}]}}, headers=key)
    assert wrong.status_code == 422 and "all[0]" in wrong.get_data(as_text=True)
    for headers in ({}, town.key(town.bo)):
        refused = api.post("/api/v1/notices/audience/count", json={"audience": TEA}, headers=headers)
        assert refused.status_code == 403
    items = api.get("/api/v1/notices/attributes", headers=key).get_json()["items"]
    assert {i["name"] for i in items} >= {"region", "level", "kind", "birth-year", "title", "interests"}
    assert next(i for i in items if i["name"] == "interests")["values"][0]["value"] == "茶叶"


def test_programs_read_and_write_ones_own_profile(make_app: MakeApp, town: Town) -> None:
    api, key = make_app(site=town.site).test_client(), town.key(town.an)
    body = {"birth_year": 1985, "title": None, "interests": ["茶叶"]}
    assert api.put("/api/v1/notices/profile", json=body, headers=key).get_json() == body
    assert api.get("/api/v1/notices/profile", headers=key).get_json() == body
    assert api.put("/api/v1/notices/profile", json={"title": 9}, headers=key).status_code == 422


def test_the_command_line_counts(town: Town, tmp_path: Path) -> None:
    town.save(town.an, interests=["茶叶"])
    text = json.dumps(TEA, ensure_ascii=False)
    path = tmp_path / "tea.json"
    path.write_text(text, encoding="utf-8")
    for arguments, typed in (([text], None), ([f"@{path}"], None), (["-"], text)):
        done = keyun(town.site, "notices", "count", *arguments, "--json", typed=typed)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["count"] == 1
    done = keyun(town.site, "notices", "count", text)
    assert "关注主题为茶叶之一" in done.stdout and "1  of 4 people" in done.stdout
    nobody = keyun(town.site, "notices", "count", text, "--region", "510104")
    assert nobody.exit_code == 1 and "warning (nobody" in nobody.stderr
    for wrong in ("{", '{"all": 3}', "@/nowhere", '{"attribute": "x", "is": 1}'):
        refused = keyun(town.site, "notices", "count", wrong)
        assert refused.exit_code == 1 and refused.stderr.startswith("keyun: ")
    listed = keyun(town.site, "notices", "attributes", "--json")
    assert "interests" in {a["name"] for a in json.loads(listed.stdout)}
    assert "关注主题" in keyun(town.site, "notices", "attributes").stdout


def test_the_command_line_verifies_and_rebuilds(town: Town) -> None:
    assert keyun(town.site, "notices", "rebuild").stdout == "people: 4\n"
    done = keyun(town.site, "notices", "verify", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout) == {"people": 4, "differences": []}
    with town.site.writing() as unit:
        unit.session.execute(sa.update(User).where(User.id == town.an.user_id).values(region="510185"))
        unit.session.execute(sa.update(User).where(User.id == town.bo.user_id).values(active=False))
    found = keyun(town.site, "notices", "verify")
    assert found.exit_code == 1 and "keyun notices rebuild" in found.stderr
    assert f"region: missing 1, too many 2 (user ids {town.an.user_id}, {town.bo.user_id})" in found.stdout
    assert "active: missing 0, too many 1" in found.stdout
    checks = {c.name: c.run for c in town.site.plugins.checks()}
    assert any("region lacks 1" in problem for problem in checks["notices people"]())
    assert keyun(town.site, "notices", "rebuild").exit_code == 0
    assert keyun(town.site, "notices", "verify").exit_code == 0


# Attributes of other plugins ----------------------------------------------------------------------------

AWARDS = """
from collections.abc import Iterable
from typing import Any
from keyun.accounts import User
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl(optionalhook=True)
    def keyun_notices_attributes(self) -> Iterable[dict[str, Any]]:
        yield {"name": "prizes.%s", "title": "奖", "title_en": "prize", "kind": "%s",
               "user": User.id, "value": User.login, "choices": [("an", "安", "An")]}
"""


def test_another_plugin_declares_attributes_without_importing_this_one(
    make_site: MakeSite, write_plugin: Any
) -> None:
    write_plugin("prizes", AWARDS % ("login", "code"))
    site = make_site("notices", "prizes")
    assert resident(site).attributes["prizes.login"].choice("an").title == "安"
    assert resident(site).definition != resident(make_site("notices")).definition
    with site.writing() as unit:
        user = make_user(unit, "an")
    with site.reading() as unit:
        assert (
            count(system(), unit, {"attribute": "prizes.login", "is": "an"}).sample[0].public_id
            == user.public_id
        )


@pytest.mark.parametrize("wrong", [("Log In", "code"), ("login", "text")])
def test_a_wrong_declaration_is_left_out_and_logged(
    make_site: MakeSite, write_plugin: Any, caplog: pytest.LogCaptureFixture, wrong: tuple[str, str]
) -> None:
    write_plugin("prizes", AWARDS % wrong)
    site = make_site("notices", "prizes")
    assert not [n for n in resident(site).attributes if n.startswith("prizes")]
    assert "level" in resident(site).attributes
    assert "prizes failed in keyun_notices_attributes" in caplog.text


def test_the_marketplace_says_what_it_knows(make_site: MakeSite) -> None:
    from keyun_marketplace.services import save_profile as save_person

    site = make_site("notices", "marketplace")
    with site.writing() as unit:
        an = actor_for(make_user(unit, "an"))
        save_person(an, unit, {"title": "教授", "discipline": "茶学"})
    asked = {
        "all": [
            {"attribute": "marketplace.discipline", "in": ["茶学", "蔬菜"]},
            {"attribute": "marketplace.title", "is": "教授"},
        ]
    }
    with site.reading() as unit:
        assert count(system(), unit, asked).trial.count == 1
