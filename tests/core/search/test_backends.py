"""Every engine answers alike: Whoosh, and one that a plugin brings; a broken one breaks nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from keyun.access import anonymous
from keyun.cli import cli
from keyun.content import Content
from keyun.search import Query, SearchUnavailable, rebuild, search, verify
from keyun.search.whoosh import WhooshBackend
from keyun.site import Site
from keyun.testing import browse
from keyun.testing.search import MemoryBackend, SearchBackendTests

MakeSite = Callable[..., Site]
WritePlugin = Callable[..., Path]
PLUGIN = """
from keyun.plugins import Plugin, hookimpl
from keyun.testing.search import MemoryBackend

class P(Plugin):
    @hookimpl
    def keyun_search_backend(self, site):
        return MemoryBackend()
"""
BROKEN = """
from keyun.plugins import Plugin, hookimpl

class Engine:
    def search(self, query):
        raise ConnectionError("nobody answers at 10.0.0.1")
    def usable(self):
        return True

class P(Plugin):
    @hookimpl
    def keyun_search_backend(self, site):
        {body}
"""


class TestWhoosh(SearchBackendTests):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> WhooshBackend:
        return WhooshBackend(tmp_path / "search")


class TestMemory(SearchBackendTests):
    @pytest.fixture
    def engine(self) -> MemoryBackend:
        return MemoryBackend()


def found(site: Site, text: str) -> list[str]:
    with site.reading() as unit:
        return [item.title for _, item in search(anonymous(), unit, Query(text)).items]


def test_a_plugin_brings_the_engine_and_the_worker_fills_it(
    make_site: MakeSite,
    write_plugin: WritePlugin,
    write: Callable[..., Content],
    catch_up: Callable[[Site], None],
) -> None:
    write_plugin("memory", PLUGIN)
    site = make_site("popsci", "memory")
    assert isinstance(site.search_backend, MemoryBackend)
    assert site.search_backend is site.search_backend
    write(site, "柑橘黄龙病")
    catch_up(site)
    assert found(site, "柑橘") == ["柑橘黄龙病"]
    write(site, "柑橘栽培")
    catch_up(site)
    assert sorted(found(site, "柑橘")) == ["柑橘栽培", "柑橘黄龙病"]
    assert verify(site).healthy
    assert rebuild(site) == 2
    assert not (site.runtime.instance / "search").exists()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_when_the_plugin_goes_the_engine_of_the_core_is_filled_again(
    make_site: MakeSite,
    write_plugin: WritePlugin,
    write: Callable[..., Content],
    catch_up: Callable[[Site], None],
) -> None:
    write_plugin("memory", PLUGIN)
    site = make_site("popsci", "memory")
    write(site, "柑橘黄龙病")
    catch_up(site)
    for enabled in (["popsci"], ["popsci", "memory"], ["popsci"]):
        site = Site.open(site.runtime, enabled)
        catch_up(site)
        assert found(site, "柑橘") == ["柑橘黄龙病"]
        assert verify(site).healthy
    assert isinstance(site.search_backend, WhooshBackend)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("body", ["raise RuntimeError('no licence')", "return Engine()"])
def test_a_broken_engine_makes_the_search_unavailable_and_nothing_else(
    make_app: Callable[..., Flask], write_plugin: WritePlugin, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("dead", BROKEN.format(body=body))
    client = browse(make_app("popsci", "dead"))
    answer = client.get("/search?q=柑橘")
    assert answer.status_code == 503
    assert "搜索暂时不可用" in answer.text
    assert 'value="柑橘"' in answer.text
    assert "10.0.0.1" not in answer.text
    assert "search engine" in caplog.text
    assert client.get("/").status_code == client.get("/popsci/").status_code == 200


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_commands_say_that_the_search_is_unavailable(
    make_instance: Callable[..., Path], write_plugin: WritePlugin
) -> None:
    write_plugin("dead", BROKEN.format(body="raise RuntimeError('no licence')"))
    place = str(make_instance("popsci", "dead"))
    for words in (("search", "柑橘"), ("index", "rebuild"), ("index", "verify")):
        done = CliRunner().invoke(cli, ["--instance", place, *words])
        assert (done.exit_code, "The search is unavailable" in done.stderr) == (1, True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_plugin_that_does_not_load_leaves_the_search_to_the_core(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    write_plugin("gone", "import nowhere_at_all")
    site = make_site("popsci", "gone")
    assert "gone" in site.plugins.faults
    assert isinstance(site.search_backend, WhooshBackend)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_engine_that_cannot_be_opened_is_asked_for_again(
    make_site: MakeSite, write_plugin: WritePlugin, catch_up: Callable[[Site], None]
) -> None:
    body = (
        "if not (site.runtime.instance / 'licence').exists(): raise RuntimeError('no licence')\n"
        "        from keyun.testing.search import MemoryBackend; return MemoryBackend()"
    )
    write_plugin("dear", BROKEN.format(body=body))
    site = make_site("popsci", "dear")
    catch_up(site)
    with pytest.raises(SearchUnavailable):
        found(site, "柑橘")
    (site.runtime.instance / "licence").touch()
    catch_up(site)
    assert found(site, "柑橘") == []
