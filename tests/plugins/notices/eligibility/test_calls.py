"""Calls: counted before they are published, told to exactly the eligible, explained to everybody."""

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
from keyun.cli import cli
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.site import Site
from keyun.testing import Clock, MakeApp, MakeSite, browse, make_user
from keyun.uow import UnitOfWork
from keyun_marketplace.services import save_profile as save_person
from keyun_notices.eligibility import services
from keyun_notices.eligibility.models import Call
from keyun_notices.inbox.services import inbox
from keyun_notices.people.resident import resident
from keyun_notices.people.services import save_profile
from keyun_notices.publishing.models import Notice
from keyun_notices.publishing.services import addressed

#: The call of the source at small scale: a worker of the province, born 1981 or later, of these fields,
#: with the title of an associate professor or a higher one.
AWARD = {
    "all": [
        {"attribute": "kind", "is": "worker"},
        {"attribute": "region", "within": ["510000"]},
        {"attribute": "birth-year", "from": 1981},
        {"attribute": "marketplace.discipline", "in": ["茶学", "蔬菜"]},
        {"attribute": "title", "from": 4},
    ]
}
CALL = {
    "kind": "award",
    "title": "青年科技奖",
    "summary": "欢迎申报。",
    "region": "510000",
    "audience": AWARD,
}
#: Login: level, region, birth year, field, title; the last says which clause is not met.
PEOPLE: dict[str, tuple[int, str, int | None, str, int | None, str]] = {
    "yes": (3, "511402", 1985, "茶学", 4, ""),
    "edge": (3, "510104", 1981, "蔬菜", 5, ""),
    "citizen": (2, "511402", 1985, "茶学", 4, "all[0]"),
    "outside": (3, "500101", 1985, "茶学", 4, "all[1]"),
    "older": (3, "511402", 1980, "茶学", 4, "all[2]"),
    "ageless": (3, "511402", None, "茶学", 4, "all[2]"),
    "field": (3, "511402", 1985, "林学", 4, "all[3]"),
    "junior": (3, "511402", 1985, "茶学", 3, "all[4]"),
}
ELIGIBLE = {"yes", "edge"}


class Town:
    """A site with people of every kind and staff of the province and of one prefecture."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self.site, self.clock = site, clock
        self.actors: dict[str, Actor] = {}
        with site.writing() as unit:
            for login, (level, region, year, field, title, _) in PEOPLE.items():
                actor = self._add(unit, login, level=level, region=region)
                save_profile(actor, unit, {"birth_year": year, "title": title})
                save_person(actor, unit, {"title": "专家", "discipline": field})
            self._add(unit, "staff", roles=[("staff", "510000")])
            self._add(unit, "local", roles=[("staff", "511400")])

    def _add(self, unit: UnitOfWork, login: str, **more: Any) -> Actor:
        self.actors[login] = actor_for(make_user(unit, login, **more))
        return self.actors[login]

    def call(self, by: str = "staff", **more: Any) -> Call:
        with self.site.writing() as unit:
            return services.create(self.actors[by], unit, CALL | more)

    def again(self, unit: UnitOfWork, call: Call) -> Call:
        return unit.session.get_one(Call, call.id)

    def publish(self, call: Call, by: str = "staff", **more: Any) -> Notice | None:
        with self.site.writing() as unit:
            return services.publish(self.actors[by], unit, self.again(unit, call), **more)

    def logins(self, ids: Any) -> set[str]:
        return {login for login, actor in self.actors.items() if actor.user_id in ids}

    def user(self, login: str) -> User:
        with self.site.reading() as unit:
            return unit.session.get_one(User, self.actors[login].user_id)

    def key(self, login: str) -> dict[str, str]:
        with self.site.writing() as unit:
            user = unit.session.get_one(User, self.actors[login].user_id)
            return {"Authorization": f"Bearer {create_token(actor_for(user), unit, user, 'test')}"}


@pytest.fixture
def town(make_site: MakeSite, clock: Clock) -> Iterator[Town]:
    yield Town(make_site("notices", "marketplace"), clock)


def test_the_golden_case_finds_exactly_the_eligible_and_says_why_to_everybody_else(town: Town) -> None:
    call = town.call()
    town.publish(call)
    with town.site.reading() as unit:
        call = town.again(unit, call)
        assert call.counted == 2
        assert town.logins(resident(town.site).matching(unit, services.within(unit, call))) == ELIGIBLE
        for login, (*_, missing) in PEOPLE.items():
            found = services.mine(town.actors[login], unit, call)
            assert found.eligible == (login in ELIGIBLE)
            # The call is inside its region, which the audience stands beside.
            paths = [r.path.removeprefix("all[1].") for r in found.reasons]
            if missing:
                assert missing in paths and len(paths) <= 2
            else:
                assert len(paths) == 6 and all(r.holds for r in found.reasons)


def test_a_count_before_publishing_names_each_clause(town: Town) -> None:
    call = town.call()
    with town.site.reading() as unit:
        tried = services.tried(town.actors["staff"], unit, town.again(unit, call))
        with pytest.raises(Forbidden):
            services.tried(town.actors["yes"], unit, town.again(unit, call))
    counts = {c.path: c.count for c in tried.clauses}
    assert (tried.count, tried.of) == (2, 9)
    assert counts["all[0]"] == 6 and counts["all[4]"] == 6


def test_publishing_tells_exactly_the_eligible_and_only_once(town: Town) -> None:
    call = town.call()
    notice = town.publish(call, tell=True, address="https://example.org/notices/calls/1")
    assert notice is not None and notice.ikey == f"call:{call.public_id}"
    assert "https://example.org/notices/calls/1" in notice.body and notice.topic == "awards"
    with town.site.reading() as unit:
        assert town.logins(addressed(unit, notice)) == ELIGIBLE
        for login in PEOPLE:
            got = [i.notice.ikey for i in inbox(town.actors[login], unit).items]
            assert (notice.ikey in got) == (login in ELIGIBLE)
    with pytest.raises(Conflict):
        town.publish(call, tell=True)
    with town.site.reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Notice)) == 1


def test_a_failed_publication_leaves_a_draft_and_no_notice(town: Town) -> None:
    nobody = town.call(audience={"attribute": "interests", "is": "无"})
    with pytest.raises(Invalid, match="试算"):
        town.publish(nobody, tell=True)
    far = town.call(closes_at="2199-01-01T00:00:00+08:00")
    with pytest.raises(Invalid, match="十年"):
        town.publish(far, tell=True)
    with town.site.reading() as unit:
        assert {c.state for c in unit.session.scalars(sa.select(Call))} == {"draft"}
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Notice)) == 0


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"kind": "party"}, "kind"),
        ({"title": ""}, "title"),
        ({"region": "999999"}, "region"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"audience": {"attribute": "nothing", "is": 1}}, "audience"),
        ({"audience": {"any": [{"all": []}, {"attribute": "region", "within": ["999999"]}]}}, "audience"),
        ({"audience": "{"}, "audience"),
        ({"audience": "[" * 100_000}, "audience"),
        ({"opens_at": "2027-02-01T00:00:00Z", "closes_at": "2027-01-01T00:00:00Z"}, "closes_at"),
        ({"closes_at": "9999-12-31T23:59:59Z"}, "closes_at"),
    ],
)
def test_a_wrong_call_is_refused_with_the_field(town: Town, more: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        town.call(**more)
    assert list(refused.value.fields) == [field]


def test_only_staff_of_the_region_write_and_only_drafts_change(town: Town) -> None:
    with pytest.raises(Forbidden):
        town.call(by="local")
    with pytest.raises(Forbidden):
        town.call(by="yes")
    call = town.call(by="local", region="511400")
    with town.site.writing() as unit:
        seen = town.again(unit, call)
        with pytest.raises(Forbidden):
            services.change(town.actors["local"], unit, seen, CALL | {"region": "510100"})
    with town.site.writing() as unit:
        services.change(town.actors["local"], unit, town.again(unit, call), CALL | {"region": "511402"}, 1)
    with pytest.raises(Conflict), town.site.writing() as unit:
        services.change(town.actors["local"], unit, town.again(unit, call), CALL | {"region": "511402"}, 1)
    town.publish(call, by="local")
    with pytest.raises(Conflict), town.site.writing() as unit:
        services.change(town.actors["local"], unit, town.again(unit, call), CALL | {"region": "511402"})
    with town.site.writing() as unit:
        services.withdraw(town.actors["local"], unit, town.again(unit, call))
    with pytest.raises(Conflict), town.site.writing() as unit:
        services.withdraw(town.actors["local"], unit, town.again(unit, call))


def test_lists_hold_what_is_open_and_drafts_are_for_their_staff(town: Town) -> None:
    draft = town.call()
    opens, closes = town.clock() + dt.timedelta(days=1), town.clock() + dt.timedelta(days=3)
    call = town.call(title="晚开的", opens_at=opens.isoformat(), closes_at=closes.isoformat())
    none = town.call(title="不合适", audience={"attribute": "kind", "is": "citizen"})
    for one in (call, none):
        town.publish(one)

    def listed(login: str) -> list[tuple[str, bool | None]]:
        with town.site.reading() as unit:
            found = services.open_calls(town.actors[login], unit)
            assert {e.call.id for e in found} == {
                c.id for c in services.published(town.actors[login], unit).items
            }
        return [(e.call.title, e.eligible) for e in found]

    assert listed("yes") == [("不合适", False)]
    town.clock.tick(dt.timedelta(days=1))
    assert listed("yes") == [("晚开的", True), ("不合适", False)]
    assert listed("citizen") == [("不合适", True), ("晚开的", False)]
    town.clock.tick(dt.timedelta(days=2))
    assert listed("yes") == [("不合适", False)]
    with town.site.reading() as unit:
        assert services.find(town.actors["staff"], unit, draft.public_id).id == draft.id
        for login, name in (("yes", draft.public_id), ("local", draft.public_id), ("yes", "nothing")):
            with pytest.raises(NotFound):
                services.find(town.actors[login], unit, name)
        with pytest.raises(Forbidden):
            services.find(anonymous(), unit, call.public_id)
        assert len(services.managed(town.actors["staff"], unit).items) == 3
        assert not services.managed(town.actors["local"], unit).items


def test_a_call_whose_attribute_went_away_cannot_be_judged(town: Town) -> None:
    call = town.call()
    town.publish(call)
    with town.site.writing() as unit:
        gone = {"attribute": "gone.thing", "is": 1}
        unit.session.execute(sa.update(Call).values(audience=gone))
    with town.site.reading() as unit:
        found = services.mine(town.actors["yes"], unit, town.again(unit, call))
        assert (found.eligible, found.why, list(found.reasons)) == (None, None, [])


# Shells -------------------------------------------------------------------------------------------------


def keyun(site: Site, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["--instance", str(site.runtime.instance), "notices", "eligibility", *arguments]
    )


def test_the_command_line_does_all_of_it(town: Town, tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    path.write_text(json.dumps(CALL, ensure_ascii=False), encoding="utf-8")
    made = keyun(town.site, "create", f"@{path}")
    assert made.exit_code == 0, made.output
    number = made.stdout.strip()
    assert json.loads(keyun(town.site, "count", number, "--json").stdout)["count"] == 2
    assert "职称级别不低于 副高级" in keyun(town.site, "count", number).stdout
    assert keyun(town.site, "publish", number, "--tell").stdout == "published: 2 eligible, 2 told\n"
    assert keyun(town.site, "publish", number).exit_code == 1
    assert keyun(town.site, "why", number, "yes").exit_code == 0
    junior = keyun(town.site, "why", number, "junior")
    assert junior.exit_code == 1 and "no      职称级别不低于 副高级（中级）" in junior.stdout
    assert json.loads(keyun(town.site, "why", number, "older", "--json").stdout)["eligible"] is False
    assert [c["state"] for c in json.loads(keyun(town.site, "list", "--json").stdout)["items"]] == [
        "published"
    ]
    assert number in keyun(town.site, "list").stdout
    assert keyun(town.site, "withdraw", number).exit_code == 0
    for wrong in (("create", "[]"), ("count", "nothing"), ("why", number, "nobody")):
        refused = keyun(town.site, *wrong)
        assert refused.exit_code == 1 and refused.stderr.startswith("keyun: ")


def test_programs_do_all_of_it(make_app: MakeApp, town: Town) -> None:
    api, staff, worker = make_app(site=town.site).test_client(), town.key("staff"), town.key("junior")
    root = "/api/v1/notices/calls"
    made = api.post(root, json=CALL, headers=staff)
    assert made.status_code == 201, made.text
    one = f"{root}/{made.get_json()['id']}"
    changed = api.put(one, json=CALL | {"title": "新名字", "version": 1}, headers=staff).get_json()
    assert (changed["title"], changed["version"]) == ("新名字", 2)
    assert api.put(one, json=CALL | {"version": 1}, headers=staff).status_code == 409
    assert api.get(one, headers=worker).status_code == 404
    assert api.post(f"{one}/count", headers=staff).get_json()["count"] == 2
    assert api.post(f"{one}/publish", json={"tell": True}, headers=staff).get_json()["counted"] == 2
    seen = api.get(one, headers=worker).get_json()
    assert seen["eligible"] is False
    last = seen["why"]["parts"][1]["parts"][4]
    assert (last["holds"], last["mine"], last["mine_en"]) == (False, "中级", "intermediate")
    assert [c["title"] for c in api.get(root, headers=worker).get_json()["items"]] == ["新名字"]
    assert len(api.get(f"{root}/managed", headers=staff).get_json()["items"]) == 1
    assert api.get(f"{root}/managed", headers=worker).status_code == 403
    assert api.post(f"{one}/withdraw", headers=staff).get_json()["state"] == "withdrawn"
    assert api.post(root, json=CALL | {"audience": {"all": 1}}, headers=staff).status_code == 422


def test_pages_lead_from_writing_to_why_me(make_app: MakeApp, town: Town) -> None:
    app = make_app(site=town.site)
    staff, worker = browse(app), browse(app)
    assert staff.get("/notices/calls").status_code in (302, 303)
    staff.log_in(town.user("staff"))
    worker.log_in(town.user("junior"))
    form = CALL | {"audience": json.dumps(AWARD), "opens_on": "", "closes_on": "2027-03-31"}
    wrong = staff.submit("/notices/calls/new", form | {"audience": '{"all": [{}]}'})
    assert wrong.status_code == 422 and 'id="audience-error"' in wrong.text and "all[0]" in wrong.text
    assert staff.submit("/notices/calls/new", form | {"closes_on": "bald"}).status_code == 422
    made = staff.submit("/notices/calls/new", form)
    assert made.status_code == 303
    check = staff.get(made.headers["Location"]).text
    assert "2 人符合条件" in check and "职称级别不低于 副高级" in check
    with town.site.reading() as unit:
        call = unit.session.scalars(sa.select(Call)).one()
        assert call.closes_at == dt.datetime(2027, 3, 31, 16, tzinfo=dt.UTC)
    edit = staff.get(f"/notices/calls/{call.public_id}/edit").text
    assert 'value="2027-03-31"' in edit
    assert worker.get(f"/notices/calls/{call.public_id}").status_code == 404
    again = staff.submit(f"/notices/calls/{call.public_id}/edit", form | {"title": "改了名", "version": "1"})
    assert again.status_code == 303
    stale = staff.submit(f"/notices/calls/{call.public_id}/edit", form | {"version": "1"})
    assert stale.status_code == 409 and "刷新" in stale.text
    done = staff.submit(f"/notices/calls/{call.public_id}/publish", {"tell": "1"}, follow_redirects=True)
    assert "已通知符合条件的 2 人" in done.text
    twice = staff.submit(f"/notices/calls/{call.public_id}/publish", {"tell": "1"}, follow_redirects=True)
    assert "不能再修改或再次发布" in twice.text, "a second click is told apart from somebody else's change"
    assert "改了名" in worker.get("/notices/calls").text
    assert "截至 2027-03-31 24:00" in worker.get(f"/notices/calls/{call.public_id}").text
    page = worker.get(f"/notices/calls/{call.public_id}").text
    assert "不符合条件" in page and "职称级别不低于 副高级" in page and "中级" in page
    english = worker.get(f"/notices/calls/{call.public_id}?lang=en").text
    assert "not eligible" in english.lower()
    assert "已截止" not in worker.get(f"/notices/calls/{call.public_id}?lang=zh").text
    town.clock.now = dt.datetime(2027, 3, 31, 16, tzinfo=dt.UTC)
    worker.log_in(town.user("junior"))
    assert "已截止" in worker.get(f"/notices/calls/{call.public_id}").text
    assert worker.get("/notices/calls/managed").status_code == 403
    assert "改了名" in staff.get("/notices/calls/managed").text
    assert staff.submit(f"/notices/calls/{call.public_id}/withdraw").status_code == 303
    refused = staff.submit(f"/notices/calls/{call.public_id}/withdraw", follow_redirects=True)
    assert "已经撤回" in refused.text


def test_only_the_operator_looks_at_somebody_else(town: Town) -> None:
    call = town.call()
    with town.site.reading() as unit:
        assert services.of_user(system(), unit, town.again(unit, call), "yes").eligible
        with pytest.raises(Forbidden):
            services.of_user(town.actors["staff"], unit, town.again(unit, call), "yes")
