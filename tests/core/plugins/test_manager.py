"""Loading: what is broken is named with its repair, and the rest serves."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyun.access import anonymous
from keyun.content import Content
from keyun.content.types import Draft
from keyun.db import Model
from keyun.errors import PluginError
from keyun.plugins.manager import Installation, PluginManager
from keyun.plugins.manifest import NAME, RESERVED
from keyun.testing import MakeApp, MakeSite

WritePlugin = Callable[..., Path]

HEAD = "from keyun.plugins import Plugin, hookimpl\nclass P(Plugin):\n    @hookimpl\n"
MENU = """
from keyun.plugins import MenuItem, Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        yield MenuItem("home.index", "{label}")
"""


def load(*names: str) -> PluginManager:
    return PluginManager.load(names, installation=Installation.scan())


def test_a_disabled_plugin_is_never_imported(write_plugin: WritePlugin) -> None:
    write_plugin("calm")
    write_plugin("loud", "raise RuntimeError('imported')")
    manager = load("calm")
    assert list(manager.plugins) == ["calm"]
    assert "fixture_loud.plugin" not in sys.modules


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("raise ValueError('boom')", "ValueError: boom"),
        ("class P: pass", "is not a keyun.plugins.Plugin subclass"),
        (
            "from keyun.plugins import Plugin\nclass P(Plugin):\n    def keyun_menu(self, actor): ...",
            "lacks @hookimpl",
        ),
        (
            HEAD + "    def keyun_mnu(self): ...",
            "unknown hook(s) keyun_mnu",
        ),
        (
            HEAD + "    def keyun_menu(self, who): ...",
            "PluginValidationError",
        ),
        (
            "from flask import Blueprint\n" + HEAD + "    def keyun_blueprints(self):\n"
            "        return [Blueprint('bad', __name__, url_prefix='min')]",
            "must begin with a slash",
        ),
        (
            "from keyun.plugins import Plugin, hookimpl\nclass P(Plugin):\n    @hookimpl\n"
            "    def keyun_permissions(self): raise KeyError('later')",
            "keyun_permissions failed",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_the_rest_serves(
    write_plugin: WritePlugin, code: str, words: str
) -> None:
    write_plugin("good")
    write_plugin("bad", code)
    manager = load("bad", "good")
    assert list(manager.plugins) == ["good"]
    assert words in manager.faults["bad"][0]
    assert "keyun plugins disable bad" in manager.faults["bad"][0]


def test_whoever_requires_a_broken_plugin_stays_out_too(write_plugin: WritePlugin) -> None:
    write_plugin("bad", "raise ValueError('boom')")
    write_plugin("leaning", manifest='requires = ["bad"]')
    manager = load("bad", "leaning")
    assert manager.plugins == {}
    assert set(manager.faults) == {"bad", "leaning"}
    with pytest.raises(PluginError, match="2 plugin problem"):
        manager.raise_faults()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("[plugin", "plugin.toml"),
        ('[plugin]\nname = "other"\napi = ">=1"', "the entry point is"),
        ('[plugin]\nname = "odd"\napi = ">=1"\ncolour = "red"', "unknown key(s) colour"),
        ('[plugin]\nname = "odd"\napi = "soon"', "version range"),
        ('[plugin]\nname = "odd"', "version range"),
        ('[plugin]\nname = "odd"\napi = ">=1"\nrequires = "a"', "requires must be a list of texts"),
        ('[plugin]\nname = "odd"\napi = ">=1"\nreplaces = "a"\nextends = "a"', "exclude each other"),
    ],
)
def test_a_bad_manifest_says_which_file_and_what(write_plugin: WritePlugin, head: str, words: str) -> None:
    write_plugin("odd", head=head)
    manager = load("odd")
    assert words in manager.faults["odd"][0]
    assert "plugin.toml" in manager.faults["odd"][0]


def test_an_entry_point_that_leads_nowhere_is_named(write_plugin: WritePlugin) -> None:
    package = write_plugin("odd")
    (info,) = package.parent.glob("*.dist-info")
    (info / "entry_points.txt").write_text("[keyun.plugins]\nodd = fixture-odd.plugin:P\n")
    assert "'fixture-odd.plugin:P' is no 'package.module:Class'" in load("odd").faults["odd"][0]


def test_a_missing_extra_names_the_pip_command(write_plugin: WritePlugin) -> None:
    write_plugin("heavy", manifest='modules = ["nowhere_to_be_found"]\nextra = "heavy"')
    assert "pip install 'keyun[heavy]'" in load("heavy").faults["heavy"][0]


def test_two_plugins_with_one_prefix_are_refused(write_plugin: WritePlugin) -> None:
    write_plugin("bay")
    write_plugin("bay_area")
    assert "would look like those of bay" in load("bay", "bay_area").faults["bay_area"][0]


def test_wrong_settings_are_refused_and_named(write_plugin: WritePlugin) -> None:
    write_plugin("calm")
    manager = PluginManager.load(["calm"], {"calm": {"speed": 3}})
    assert "[plugin.calm]" in manager.faults["calm"][0] and "speed" in manager.faults["calm"][0]


IMPORTER = """
from marshmallow import Schema
from keyun.exchange import Importer
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_importers(self):
        yield Importer("seeds", "种子", Schema, print, "core.import.run")
"""


def test_two_plugins_that_declare_one_importer_are_told_apart(write_plugin: WritePlugin) -> None:
    write_plugin("first", IMPORTER)
    write_plugin("second", IMPORTER)
    manager = load("first", "second")
    assert list(manager.plugins) == ["first"]
    assert "seeds is already declared by first" in manager.faults["second"][0]


def test_a_failing_menu_drops_only_its_own_entries(
    write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("good", MENU.format(label="here"))
    write_plugin("bad", MENU.format(label="x").replace("yield MenuItem", "raise ValueError;  MenuItem"))
    assert [i.label for i in load("bad", "good").menu(anonymous())] == ["here"]
    assert "plugin bad failed in keyun_menu" in caplog.text


def test_control_c_is_no_fault_of_a_plugin(write_plugin: WritePlugin) -> None:
    write_plugin("busy", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("busy")


MODELS = """
import sqlalchemy as sa
from keyun.content import Content
from keyun.db import Model
from keyun.plugins import Plugin
from sqlalchemy.orm import Mapped, mapped_column, relationship

class Thing(Content):
    __tablename__ = "torn_thing"
    __mapper_args__ = {"polymorphic_identity": "torn.thing"}
    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    other = relationship("Nothing")

class P(Plugin):
    pass
"""


def test_a_plugin_that_failed_leaves_no_trace_and_can_be_repaired_in_the_same_process(
    write_plugin: WritePlugin, make_site: MakeSite
) -> None:
    package = write_plugin("torn", MODELS)
    before = set(Model.metadata.tables), set(Content.__mapper__.polymorphic_map)
    first, second = load("torn").faults, load("torn").faults
    assert first == second and "'Nothing'" in first["torn"][0]
    assert (set(Model.metadata.tables), set(Content.__mapper__.polymorphic_map)) == before
    with make_site("popsci").reading() as unit:
        assert unit.session.scalars(sa.select(Content)).all() == []
    (package / "plugin.py").write_text("from keyun.plugins import Plugin\nclass P(Plugin): ...\n")
    importlib.invalidate_caches()
    assert load("torn").faults == {}


def test_no_plugin_is_called_like_a_page_of_the_core(make_app: MakeApp) -> None:
    app = make_app()
    blueprints = {endpoint.partition(".")[0] for endpoint in app.view_functions if "." in endpoint}
    paths = {str(rule).split("/")[1] for rule in app.url_map.iter_rules()}
    free = {name for name in blueprints | paths if NAME.fullmatch(name)} - RESERVED
    assert free == set(), "add them to keyun.plugins.manifest.RESERVED"


def test_texts_wait_for_a_reviewer_while_a_plugin_that_screens_is_faulted(write_plugin: WritePlugin) -> None:
    write_plugin("guard", "import nowhere_to_be_found", "screens = true")
    write_plugin("other", "import nowhere_to_be_found")
    draft = Draft("x.y", "题", "", "", "510000")
    assert load("other").screen(anonymous(), draft) == []
    verdicts = load("other", "guard").screen(anonymous(), draft)
    assert [v.refused for v in verdicts] == [False]
    assert "guard" in verdicts[0].reason


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("keyun_jobs", "keyun_jobs failed with TypeError: it returned int"),
        ("keyun_content_types", "keyun_content_types failed with TypeError"),
        ("keyun_importers", "keyun_importers failed with TypeError"),
        ("keyun_search_sources", "keyun_search_sources failed with TypeError"),
        ("keyun_api", "keyun_api failed with TypeError"),
        ("keyun_exporters", "keyun_exporters failed with TypeError"),
        ("keyun_content_fields", "keyun_content_fields failed with TypeError"),
    ],
)
def test_a_declaration_of_the_wrong_kind_is_a_fault(write_plugin: WritePlugin, body: str, words: str) -> None:
    write_plugin("odd", HEAD + f"    def {body}(self): return 42")
    assert words in load("odd").faults["odd"][0]


def test_a_plugin_that_asks_for_the_site_while_it_loads_is_told(write_plugin: WritePlugin) -> None:
    write_plugin("early", HEAD + "    def keyun_jobs(self): return [self.site]")
    assert "there is no site while plugins load" in load("early").faults["early"][0]
