"""The index follows the content, whatever happens to the process that writes it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import anonymous, system
from keyun.content import Content
from keyun.content.services import change, withdraw
from keyun.events.follow import durable_cursor, head
from keyun.jobs import Worker
from keyun.search import IndexBusy, Query, rebuild, search, upkeep, verify
from keyun.search.port import NewIndex
from keyun.search.services import backend as engine_of
from keyun.site import Site
from keyun.testing.clock import Clock

MakeSite = Callable[..., Site]
Write = Callable[..., Content]
CatchUp = Callable[[Site], None]
DAMAGES = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def titles(site: Site, text: str, **more: Any) -> list[str]:
    with site.reading() as unit:
        return [item.title for _, item in search(anonymous(), unit, Query(text, **more)).items]


def edit(site: Site, item: Content, **values: Any) -> None:
    with site.writing() as unit:
        change(system(), unit, unit.session.get_one(Content, item.id), values)


def take_back(site: Site, item: Content) -> None:
    with site.writing() as unit:
        withdraw(system(), unit, unit.session.get_one(Content, item.id))


def test_a_worker_brings_what_is_published_into_the_index(
    library: Site, write: Write, clock: Clock, settled: CatchUp
) -> None:
    write(library, "柑橘黄龙病的识别")
    settled(library)
    worker = Worker(library)
    worker.schedule()
    worker.drain()
    assert titles(library, "黄龙病") == ["柑橘黄龙病的识别"]
    write(library, "黄龙病的防治")
    settled(library)
    clock.tick(dt.timedelta(seconds=2))
    worker.schedule()
    worker.drain()
    assert titles(library, "黄龙病 防治") == ["黄龙病的防治"]
    assert verify(library).healthy


def test_changes_withdrawals_and_expiry_reach_the_index(
    library: Site, write: Write, catch_up: CatchUp, clock: Clock
) -> None:
    changed, taken, late = write(library, "柑橘"), write(library, "柑橘"), write(library, "柑橘")
    catch_up(library)
    edit(library, changed, title="水稻")
    take_back(library, taken)
    with library.writing() as unit:
        unit.session.get_one(Content, late.id).expires_at = unit.now + dt.timedelta(days=1)
    clock.tick(dt.timedelta(days=2))
    assert titles(library, "柑橘") == ["水稻"]
    catch_up(library)
    assert titles(library, "柑橘") == []
    library.jobs["core.expire"].run(library)
    catch_up(library)
    assert engine_of(library).versions().keys() == {changed.id}
    assert verify(library).healthy


def test_the_text_shown_is_the_one_in_the_database(library: Site, write: Write, catch_up: CatchUp) -> None:
    item = write(library, "柑橘", body="黄龙病 <script>")
    catch_up(library)
    edit(library, item, title="晚熟柑橘", body="改过的黄龙病")
    with library.reading() as unit:
        ((hit, _),) = search(anonymous(), unit, Query("柑橘 黄龙病")).items
    assert list(hit.title) == [("晚熟", False), ("柑橘", True)]
    assert ("改过的", False) in hit.snippet
    assert ("黄龙病", True) in hit.snippet


def test_being_killed_between_index_and_cursor_changes_nothing(
    library: Site, write: Write, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(library)
    kept, taken = write(library, "柑橘"), write(library, "柑橘")
    take_back(library, taken)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(upkeep, "move_cursor", killed)
        catch_up(library)
    assert engine_of(library).versions().keys() == {kept.id}
    report = verify(library)
    assert report.healthy
    assert report.lag > 0
    catch_up(library)
    assert verify(library).lag == 0
    assert titles(library, "柑橘") == ["柑橘"]


@pytest.mark.filterwarnings(*DAMAGES)
@pytest.mark.usefixtures("damages")
def test_being_killed_before_the_index_commits_loses_nothing(
    library: Site, write: Write, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(library)
    write(library, "柑橘")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("whoosh.writing.SegmentWriter.commit", killed)
        catch_up(library)
    report = verify(library)
    assert (report.damaged, len(report.behind)) == (False, 1)
    catch_up(library)
    assert verify(library).healthy


def test_what_happens_during_a_rebuild_is_not_lost(
    library: Site, write: Write, catch_up: CatchUp, settled: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, taken = write(library, "柑橘老文"), write(library, "柑橘将撤")
    catch_up(library)
    read_all = upkeep._all

    def meanwhile(*args: Any) -> Any:
        documents = list(read_all(*args))
        write(library, "柑橘新文")
        take_back(library, taken)
        edit(library, old, title="柑橘旧文")
        settled(library)
        # A worker goes on with the index that still answers, and moves the cursor.
        upkeep.follow(library, engine_of(library))
        return documents

    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "_all", meanwhile)
        rebuild(library)
    assert set(titles(library, "柑橘")) == {"柑橘旧文", "柑橘新文"}
    report = verify(library)
    assert (report.healthy, report.lag) == (True, 0)


def test_a_rebuild_that_is_killed_after_the_switch_loses_nothing(
    library: Site, write: Write, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(library, "柑橘")
    catch_up(library)
    write(library, "水稻")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(upkeep, "_remember", killed)
        rebuild(library)
    catch_up(library)
    assert (verify(library).healthy, titles(library, "水稻")) == (True, ["水稻"])


def test_readers_ask_the_old_index_until_the_new_one_is_ready(
    library: Site, write: Write, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(library, "柑橘")
    catch_up(library)
    seen: list[list[str]] = []
    step = upkeep._catch_up

    def watched(site: Site, new: NewIndex, *args: Any) -> Any:
        seen.append(titles(site, "柑橘"))
        return step(site, new, *args)

    monkeypatch.setattr(upkeep, "_catch_up", watched)
    rebuild(library)
    assert [*seen, titles(library, "柑橘")] == [["柑橘"], ["柑橘"]]


def test_a_worker_does_not_build_while_another_process_builds(
    library: Site, write: Write, catch_up: CatchUp
) -> None:
    write(library, "柑橘")
    engine = engine_of(library)
    with engine.building():
        catch_up(library)
        with pytest.raises(IndexBusy, match="wait for it"):
            rebuild(library)
    assert not engine.usable()
    catch_up(library)
    assert titles(library, "柑橘") == ["柑橘"]


def test_an_index_that_was_deleted_is_built_anew(library: Site, write: Write, catch_up: CatchUp) -> None:
    write(library, "柑橘")
    catch_up(library)
    assert titles(library, "柑橘") == ["柑橘"]
    shutil.rmtree(library.runtime.instance / "search")
    with library.reading() as unit:
        assert not search(anonymous(), unit, Query("柑橘")).page.ready
    assert verify(library).damaged
    catch_up(library)
    assert titles(library, "柑橘") == ["柑橘"]
    assert verify(library).healthy


@pytest.mark.filterwarnings(*DAMAGES)
@pytest.mark.usefixtures("damages")
@pytest.mark.parametrize("suffix", [".seg", ".toc"])
def test_an_index_that_was_damaged_is_built_anew(
    library: Site, write: Write, catch_up: CatchUp, suffix: str
) -> None:
    write(library, "柑橘")
    catch_up(library)
    for path in (library.runtime.instance / "search").rglob(f"*{suffix}"):
        path.write_bytes(os.urandom(300))
    assert titles(library, "柑橘") in ([], ["柑橘"])
    catch_up(library)
    assert titles(library, "柑橘") == ["柑橘"]
    assert verify(library).healthy


def test_items_of_a_plugin_that_is_off_hide_and_come_back(
    make_site: MakeSite, write: Write, catch_up: CatchUp
) -> None:
    on = make_site("popsci")
    write(on, "柑橘")
    catch_up(on)
    off = Site.open(on.runtime, enabled=())
    catch_up(off)
    assert titles(off, "柑橘") == []
    assert verify(off).healthy
    assert titles(Site.open(on.runtime), "柑橘") == ["柑橘"]


def test_what_a_worker_without_the_plugin_passed_over_is_indexed_when_it_is_on(
    make_site: MakeSite, write: Write, catch_up: CatchUp
) -> None:
    on = make_site("popsci")
    old = write(on, "柑橘")
    catch_up(on)
    off = Site.open(on.runtime, enabled=())
    write(on, "晚熟柑橘")
    take_back(on, old)
    catch_up(off)
    again = Site.open(on.runtime)
    catch_up(again)
    assert titles(again, "柑橘") == ["晚熟柑橘"]
    assert verify(again).healthy


def test_verification_names_what_is_missing_outdated_and_extra(
    library: Site, write: Write, catch_up: CatchUp
) -> None:
    first, second, third = (write(library, "柑橘") for _ in range(3))
    catch_up(library)
    assert verify(library).healthy
    with library.writing() as unit:
        # Past the services and their events, as a careless administrator does.
        by_hand = unit.session.connection().exec_driver_sql
        by_hand(f"UPDATE core_content SET version = 99 WHERE id = {first.id}")
        by_hand(f"UPDATE core_content SET state = 'withdrawn' WHERE id = {second.id}")
    with engine_of(library).writing():
        engine_of(library).update([], [third.id])
    report = verify(library)
    assert (report.stale, report.extra, report.missing) == ([first.id], [second.id], [third.id])
    assert (report.expected, report.lag, report.behind, report.healthy) == (2, 0, [], False)
    rebuild(library)
    assert verify(library).healthy


def test_a_fresh_process_repairs_what_no_event_tells_of(
    make_site: MakeSite, write: Write, catch_up: CatchUp
) -> None:
    site = make_site("popsci")
    item = write(site, "柑橘")
    catch_up(site)
    with engine_of(site).writing():
        engine_of(site).update([], [item.id])
    other = make_site(instance=site.runtime.instance)
    catch_up(other)
    assert titles(site, "柑橘") == ["柑橘"]


def test_two_workers_never_move_the_cursor_past_what_is_indexed(
    make_site: MakeSite, write: Write, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site("popsci")
    catch_up(site)
    item = write(site, "柑橘")
    other = make_site(instance=site.runtime.instance)
    catch_up(other)
    monkeypatch.setattr(engine_of(other).folder, "patience", 0.0)  # type: ignore[attr-defined]
    changes = upkeep._changes

    def slow(*args: Any) -> Any:
        found = changes(*args)
        monkeypatch.setattr(upkeep, "_changes", changes)
        edit(site, item, title="晚熟柑橘")
        with pytest.raises(IndexBusy):
            catch_up(other)
        return found

    edit(site, item, body="改过")
    monkeypatch.setattr(upkeep, "_changes", slow)
    catch_up(site)
    assert verify(site).healthy
    with site.reading() as unit:
        assert durable_cursor(unit.session, "search") == head(unit.session)


def test_one_item_that_a_plugin_cannot_read_does_not_stop_the_others(
    library: Site, write: Write, catch_up: CatchUp, caplog: pytest.LogCaptureFixture
) -> None:
    from keyun.search import SearchSource

    def broken(item: Content) -> str:
        if item.title == "柑橘":
            raise ValueError("no words")
        return "黄龙病"

    library.sources["popsci.article"] = SearchSource("popsci.article", broken)
    write(library, "柑橘")
    write(library, "水稻")
    catch_up(library)
    assert titles(library, "黄龙病") == ["水稻"]
    assert titles(library, "柑橘") == ["柑橘"]
    assert "no words" in caplog.text


def test_the_words_of_a_plugin_cost_no_query_for_each_item(
    make_site: MakeSite, catch_up: CatchUp, write: Write
) -> None:
    from keyun.search import SearchSource

    site = make_site("popsci")
    site.sources["popsci.article"] = SearchSource("popsci.article", lambda item: item.source)  # type: ignore[attr-defined]
    asked: list[str] = []
    for n in range(30):
        write(site, f"柑橘{n}")
    sa.event.listen(site.runtime.engine, "before_cursor_execute", lambda c, cu, s, *_: asked.append(s))
    rebuild(site)
    assert titles(site, "省农科院 柑橘7") == ["柑橘7"]
    assert len([s for s in asked if "popsci_article" in s]) < 8
