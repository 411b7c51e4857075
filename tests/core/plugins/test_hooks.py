"""Hooks of the core that no other test implements in a plugin of its own, and hooks that are going away."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyun import hookspecs
from keyun.access import anonymous, system
from keyun.exchange import write
from keyun.plugins.deprecation import (
    KeyunDeprecation,
    RemovedInKeyun2,
    hookspec_deprecated,
    hookspec_with_deprecated,
    noted,
)
from keyun.plugins.manager import Installation, PluginManager
from keyun.search import Query, rebuild, search
from keyun.testing import MakeSite, make_item

WritePlugin = Callable[..., Path]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

ARTICLE: dict[str, Any] = {"category": "life", "source": "示范资料", "voucher": "示范学会"}
PLUGIN = """
from keyun.access import Permission
from keyun.events import Lag
from keyun.exchange import Exporter
from keyun.plugins import Derived, Plugin, hookimpl
from keyun.search import SearchSource
from marshmallow import Schema, fields


class Star(Schema):
    external_id = fields.String()


def stars(actor, unit):
    unit.require(actor, "core.export.run")
    yield {"external_id": "sun"}


class P(Plugin):
    @hookimpl
    def keyun_search_sources(self):
        yield SearchSource("popsci.article", lambda item: "鲜为人知")

    @hookimpl
    def keyun_exporters(self):
        yield Exporter("stars", "星表", Star, stars, "core.export.run")

    @hookimpl
    def keyun_derived(self):
        yield Derived("telescope", "望远镜", lambda unit: Lag(3), 10)
"""


@on_sqlite
def test_hook_search_sources_adds_words_to_a_type(make_site: MakeSite, write_plugin: WritePlugin) -> None:
    write_plugin("telescope", PLUGIN, 'after = ["popsci"]')
    site = make_site("popsci", "telescope")
    with site.writing() as unit:
        make_item(unit, "popsci.article", title="看星星", **ARTICLE)
    rebuild(site)
    with site.reading() as unit:
        found = search(anonymous(), unit, Query("鲜为人知"))
    assert [item.title for _, item in found.items] == ["看星星"]


@on_sqlite
def test_hook_exporters_adds_something_to_export(
    make_site: MakeSite, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    write_plugin("telescope", PLUGIN, 'after = ["popsci"]')
    site = make_site("telescope")
    write(site, site.exporters["stars"], tmp_path / "stars.jsonl", system())
    assert json.loads((tmp_path / "stars.jsonl").read_text(encoding="utf-8")) == {"external_id": "sun"}


@on_sqlite
def test_hook_derived_tells_how_far_behind_a_derived_thing_is(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    write_plugin("telescope", PLUGIN, 'after = ["popsci"]')
    site = make_site("telescope")
    (thing,) = site.plugins.derived()
    with site.reading() as unit:
        assert (thing.name, thing.lag(unit).events) == ("telescope", 3)


# What is going away -----------------------------------------------------------------------------------------

OLD = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_old(self):
        return ["still called"]

    @hookimpl
    def keyun_bent(self, colour):
        return [colour]
"""


@pytest.fixture
def going_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hooks of the core that a later version removes, one of them in part."""

    @hookspec_deprecated(RemovedInKeyun2("keyun_old is going; implement keyun_new"))
    def keyun_old() -> list[str]:
        """Old."""
        return []

    @hookspec_with_deprecated(colour=RemovedInKeyun2("keyun_bent: colour is going; take shade"))
    def keyun_bent(colour: str, shade: str) -> list[str]:
        """Bent."""
        return []

    monkeypatch.setattr(hookspecs, "keyun_old", keyun_old, raising=False)
    monkeypatch.setattr(hookspecs, "keyun_bent", keyun_bent, raising=False)


def test_a_deprecated_hook_works_is_noted_and_logged_once(
    going_away: None, write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("aged", OLD)
    with caplog.at_level(logging.WARNING, "keyun.plugins"):
        manager = PluginManager.load(["aged"], {}, Installation.scan())
    assert manager.faults == {}
    assert manager.hook.keyun_old() == [["still called"]]
    assert manager.hook.keyun_bent(colour="red", shade="dark") == [["red"]]
    assert set(manager.deprecations["aged"]) == {
        "keyun_old is going; implement keyun_new (removed in plugin API 2.0)",
        "keyun_bent: colour is going; take shade (removed in plugin API 2.0)",
    }
    assert caplog.text.count("keyun_old is going") == 1


def test_a_plugin_that_uses_nothing_old_is_not_noted(going_away: None, write_plugin: WritePlugin) -> None:
    write_plugin("young")
    manager = PluginManager.load(["young"], {}, Installation.scan())
    assert manager.deprecations == {"young": ()}


def test_other_warnings_pass_through_and_notices_are_deprecations() -> None:
    with pytest.warns(UserWarning, match="mind the gap"), noted() as notices:
        warnings.warn("mind the gap", stacklevel=1)
        warnings.warn(RemovedInKeyun2("old"), stacklevel=1)
    assert notices == ["old (removed in plugin API 2.0)"]
    assert issubclass(KeyunDeprecation, DeprecationWarning)
