"""Loading: what is broken is named with its repair, and the rest serves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyun.access import anonymous
from keyun.errors import PluginError
from keyun.plugins.manager import Installation, PluginManager

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


def test_two_plugins_that_declare_one_permission_are_told_apart(write_plugin: WritePlugin) -> None:
    code = """
    from keyun.plugins import Permission, Plugin, hookimpl
    class P(Plugin):
        @hookimpl
        def keyun_permissions(self):
            yield Permission("x.y.z", "x", "x", frozenset({"admin"}))
    """
    write_plugin("first", code)
    write_plugin("second", code)
    manager = load("first", "second")
    assert list(manager.plugins) == ["first"]
    assert "already declared by first" in manager.faults["second"][0]


def test_a_failing_menu_drops_only_its_own_entries(
    write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("good", MENU.format(label="here"))
    write_plugin("bad", MENU.format(label="x").replace("yield MenuItem", "raise ValueError;  MenuItem"))
    assert [i.label for i in load("bad", "good").menu(anonymous())] == ["here"]
    assert "plugin bad failed in keyun_menu" in caplog.text
