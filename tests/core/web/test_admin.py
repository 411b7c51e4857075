"""Administrators see what needs attention, and act on it; each number opens what it counts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.accounts import actor_for
from keyun.content import create, publish
from keyun.events import Event
from keyun.jobs import Job, Worker
from keyun.plugins import state
from keyun.serving import record
from keyun.site import Site
from keyun.testing import Browser, Clock, browse, make_user

MakeApp = Callable[..., Flask]
MakeSite = Callable[..., Site]
PAGES = (
    "/admin/",
    "/admin/plugins",
    "/admin/jobs",
    "/admin/indexes",
    "/admin/reviews",
    "/admin/sites",
    "/admin/people",
    "/admin/events",
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MARKED = re.compile(r'<(\w+)[^>]* lang="zh-CN"[^>]*>.*?</\1>', re.S)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def admin(app: Flask) -> Browser:
    return log_in(app, ("admin", "510000"))


def log_in(app: Flask, *roles: tuple[str, str]) -> Browser:
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit, f"user-{'-'.join(r for _, r in roles)}", level=2, roles=roles))
    return client


def fail_job(site: Site) -> str:
    """A job that failed for good."""

    def fail(site: Site) -> None:
        raise ValueError("no luck")

    site.jobs["core.sweep"] = Job("core.sweep", fail)
    worker = Worker(site)
    worker.max_attempts = 1
    with site.writing() as unit:
        job = unit.enqueue("core.sweep")
    worker.run_one(job)
    return job


def recorded(site: Site, name: str) -> list[Event]:
    with site.reading() as unit:
        return list(unit.session.scalars(sa.select(Event).where(Event.name == name)))


def test_only_administrators_get_in(app: Flask) -> None:
    visitor, reviewer = browse(app), log_in(app, ("reviewer", "510000"))
    for path in PAGES:
        assert visitor.get(path).location.startswith("/login?")
        assert reviewer.get(path).status_code == 403
    assert 'href="/admin/"' not in visitor.get("/").text
    assert 'href="/admin/"' not in reviewer.get("/").text


def test_an_administrator_finds_every_page_from_the_menu(admin: Browser) -> None:
    assert 'href="/admin/"' in admin.get("/").text
    for path in PAGES:
        answer = admin.get(path)
        assert answer.status_code == 200
        assert answer.text.count("<h1") == 1
        assert f'<a href="{path}" aria-current="page">' in answer.text
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_in_english_has_no_chinese_left(app: Flask, admin: Browser, path: str) -> None:
    fail_job(app.extensions["keyun"])
    text = admin.get(f"{path}?lang=en").text
    assert CHINESE.findall(MARKED.sub("", text)) == []


def test_an_administrator_of_a_county_sees_what_waits_there_and_no_machinery(app: Flask) -> None:
    client = log_in(app, ("admin", "511421"))
    fail_job(app.extensions["keyun"])
    page = client.get("/admin/").text
    assert "没有需要处理的事" in page
    assert 'href="/admin/jobs' not in page
    assert client.get("/admin/reviews").status_code == 200
    for path in ("/admin/jobs", "/admin/plugins", "/admin/indexes", "/admin/events"):
        assert client.get(path).status_code == 403


def test_a_quiet_site_needs_nothing(admin: Browser) -> None:
    assert "没有需要处理的事" in admin.get("/admin/").text


def test_a_dead_job_is_shown_first_and_tried_again(app: Flask, admin: Browser) -> None:
    site = app.extensions["keyun"]
    job = fail_job(site)
    page = admin.get("/admin/").text
    link = re.search(r'class="urgent"><a href="([^"]+)">1 个后台任务多次重试后失败', page)
    assert link is not None
    listed = admin.get(link[1]).text
    assert "ValueError: no luck" in listed
    assert admin.submit(f"/admin/jobs/{job}/retry").status_code == 303
    assert job in admin.get("/admin/jobs?state=queued").text
    assert job not in admin.get("/admin/jobs?state=dead").text
    assert [e.data for e in recorded(site, "job.retried")] == [{"job": job, "kind": "core.sweep"}]
    assert admin.submit(f"/admin/jobs/{job}/retry").status_code == 404


def test_a_dead_job_is_given_up(app: Flask, admin: Browser) -> None:
    site = app.extensions["keyun"]
    job = fail_job(site)
    assert admin.submit(f"/admin/jobs/{job}/delete").status_code == 303
    assert job not in admin.get("/admin/jobs").text
    assert [e.data["job"] for e in recorded(site, "job.deleted")] == [job]
    assert admin.submit(f"/admin/jobs/{job}/delete").status_code == 404


def test_acting_needs_a_token_and_a_role_for_the_whole_site(app: Flask, admin: Browser) -> None:
    job = fail_job(app.extensions["keyun"])
    assert admin.post(f"/admin/jobs/{job}/retry").status_code == 400
    assert log_in(app, ("admin", "511400")).submit(f"/admin/jobs/{job}/delete").status_code == 403
    assert browse(app).submit(f"/admin/jobs/{job}/delete").status_code == 403
    assert job in admin.get("/admin/jobs?state=dead").text


def test_jobs_that_nobody_takes_are_noticed(app: Flask, admin: Browser, clock: Clock) -> None:
    with app.extensions["keyun"].writing() as unit:
        unit.enqueue("core.sweep")
    assert "后台进程可能没有运行" not in admin.get("/admin/").text
    clock.tick(dt.timedelta(minutes=2))
    assert "后台进程可能没有运行" in admin.get("/admin/").text


def test_an_index_that_does_not_follow_is_noticed(
    app: Flask, admin: Browser, clock: Clock, settled: Callable[[Site], None]
) -> None:
    site = app.extensions["keyun"]
    assert "1 个事件" in admin.get("/admin/indexes").text
    clock.tick(dt.timedelta(minutes=5))
    assert "搜索索引落后太多" in admin.get("/admin/").text
    page = admin.get("/admin/indexes").text
    assert "5 分钟" in page
    assert "需要查看" in page
    settled(site)
    worker = Worker(site)
    worker.schedule()
    worker.drain()
    assert "0 个事件" in admin.get("/admin/indexes").text
    assert "没有需要处理的事" in admin.get("/admin/").text


def test_the_match_indexes_of_a_plugin_are_listed(make_app: MakeApp) -> None:
    client = log_in(make_app("marketplace"), ("admin", "510000"))
    page = client.get("/admin/indexes").text
    assert "匹配索引：科技所能与人" in page
    assert "marketplace.needs" in page


def test_an_index_that_cannot_be_read_is_said_and_the_others_are_shown(make_app: MakeApp) -> None:
    app = make_app("marketplace")
    folder = app.extensions["keyun"].runtime.instance / "matching" / "offers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "current").write_text("nosuchbuild1")
    client = log_in(app, ("admin", "510000"))
    page = client.get("/admin/indexes").text
    assert "无法得知落后多少" in page
    assert "匹配索引：科技所需" in page and "搜索索引" in page
    assert "匹配索引：科技所能与人落后太多" in client.get("/admin/").text


def test_what_waits_is_counted_by_type_and_region_and_opens_the_queue(
    make_app: MakeApp, make_site: MakeSite, notes: str, clock: Clock
) -> None:
    rules = {"content": {"review": [{"policy": "review-first"}]}}
    app = make_app(site=make_site(notes, config=rules))
    site = app.extensions["keyun"]
    with site.writing() as unit:
        writer = actor_for(make_user(unit, "writer"))
        for title, region in (("甲", "511402"), ("乙", "511402"), ("丙", "510104")):
            values = {"title": title, "body": "正文", "region": region}
            publish(writer, unit, create(writer, unit, site.types["notes.note"], values))
    client = log_in(app, ("admin", "510000"))
    clock.tick(dt.timedelta(days=3))
    assert "3 条审核已超过期限" in client.get("/admin/").text
    page = client.get("/admin/reviews").text
    assert "共 3 条内容待审" in page
    link = re.search(r'href="(/review\?[^"]+511402[^"]*)"', page)
    assert link is not None
    queue = client.get(link[1].replace("&amp;", "&")).text
    assert "甲" in queue and "乙" in queue and "丙" not in queue
    assert "共 1 条内容待审" in log_in(app, ("admin", "510104")).get("/admin/reviews").text


def test_plugins_show_state_version_order_and_the_command(make_app: MakeApp, notes: str) -> None:
    client = log_in(make_app(notes), ("admin", "510000"))
    page = client.get("/admin/plugins").text
    row = page[page.index('id="plugin-notes"') :]
    assert "运行中" in row[:600] and "1.0" in row[:900]
    assert "keyun plugins disable notes" in row
    assert "keyun plugins enable marketplace" in page


def test_a_plugin_that_cannot_be_loaded_is_named_with_its_repair(
    make_app: MakeApp, make_site: MakeSite
) -> None:
    site = make_site()
    state.save(site.runtime.config.state_file, ["nosuch"])
    client = log_in(make_app(site=make_site(instance=site.runtime.instance)), ("admin", "510000"))
    assert "插件 nosuch 未能工作" in client.get("/admin/").text
    page = client.get("/admin/plugins").text
    assert "已启用但未安装" in page
    assert 'class="problem">' in page


def test_a_change_that_the_server_refused_is_shown(app: Flask, admin: Browser) -> None:
    import os

    refused = record.Refusal(
        7, ("broken: it cannot be imported; run `keyun plugins disable broken`",), "2027-03-01T08:00:00+00:00"
    )
    record.write(
        app.extensions["keyun"].runtime.instance, record.ServerRecord(os.getpid(), 6, refused=refused)
    )
    assert "没有接受最近一次插件变更" in admin.get("/admin/").text
    assert "keyun plugins disable broken" in admin.get("/admin/plugins").text


def test_events_are_listed_without_people_and_narrowed_by_name(app: Flask, admin: Browser) -> None:
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, "zhangsan", name="张三")
    page = admin.get("/admin/events").text
    assert "user.registered" in page and "张三" not in page and "zhangsan" not in page
    assert "user.registered" not in admin.get("/admin/events?name=job.retried").text
    assert admin.get("/admin/events?before=x&name=user.registered").status_code == 200


def test_many_events_are_turned_page_by_page(app: Flask, admin: Browser) -> None:
    with app.extensions["keyun"].writing() as unit:
        for n in range(120):
            make_user(unit, f"many-{n}")
    seen, path = set[str](), "/admin/events?name=user.registered"
    while path:
        page = admin.get(path).text
        seen |= set(re.findall(r'<span class="number">#(\d+)</span>', page))
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = link[1].replace("&amp;", "&") if link else ""
    assert len(seen) == 121


def test_a_suspended_hook_is_named_and_cleared(make_app: MakeApp, notes: str) -> None:
    app = make_app(notes)
    client, budget = log_in(app, ("admin", "510000")), app.extensions["keyun"].plugins.budget
    budget.limit_ms = -1
    for _ in range(4):
        client.get("/")
    budget.limit_ms = 10_000
    assert "插件 notes 的 keyun_menu 太慢，已暂停调用" in client.get("/admin/").text
    assert "/notes/" not in client.get("/").text
    assert client.submit("/admin/plugins/notes/clear").status_code == 303
    assert "没有需要处理的事" in client.get("/admin/").text
    assert "/notes/" in client.get("/").text
    assert [e.data for e in recorded(app.extensions["keyun"], "plugin.cleared")] == [{"plugin": "notes"}]
    assert client.submit("/admin/plugins/notes/clear").status_code == 404


def test_people_are_found_by_the_beginning_of_their_log_in_name_in_ones_own_region(app: Flask) -> None:
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, "wang-1", name="王一", region="511421", level=2, roles=[("reviewer", "511421")])
        make_user(unit, "wang-2", name="王二", region="510104")
        make_user(unit, "li-1", region="511421")
    everywhere, county = log_in(app, ("admin", "510000")), log_in(app, ("admin", "511421"))
    page = everywhere.get("/admin/people?login=wang").text
    assert "wang-1" in page and "wang-2" in page and "li-1" not in page and "王" not in page
    assert "reviewer" in page
    page = county.get("/admin/people?login=wang").text
    assert "wang-1" in page and "wang-2" not in page
    assert "没有这样的账号" in everywhere.get("/admin/people?login=%25").text
