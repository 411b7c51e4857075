"""What plugins stand on is whole: hooks with contract, test, user and page; names declared and documented."""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.version import Version

from keyun import hookspecs
from keyun.defaults import Core, core_permissions
from keyun.events.names import EVENTS
from keyun.plugins.deprecation import since
from keyun.plugins.manager import Installation, PluginManager
from keyun.plugins.manifest import FLAGS, LISTS, TEXT
from keyun.testing.contract import SURFACE, public_names
from keyun.testing.contract.sources import constants, recorded, trees

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = sorted(p.name for p in (ROOT / "plugins").iterdir() if (p / f"keyun_{p.name}").is_dir())
HOOKS = sorted(n for n, s in vars(hookspecs).items() if hasattr(s, "keyun_spec"))
#: The hooks of plugin API 1.0; every other one says since when it is there.
FIRST = {
    "keyun_api", "keyun_blueprints", "keyun_checks", "keyun_commands", "keyun_committed",
    "keyun_content_screen", "keyun_content_types", "keyun_demo", "keyun_fragment", "keyun_importers",
    "keyun_jobs", "keyun_menu", "keyun_permissions", "keyun_search_sources",
}  # fmt: skip


def page(name: str) -> str:
    return (ROOT / f"docs/reference/{name}.md").read_text(encoding="utf-8")


def spec(hook: str) -> Any:
    return getattr(hookspecs, hook)


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    pytest.importorskip("numpy", reason="the marketplace needs numpy")
    found = PluginManager.load(BUNDLED, {}, Installation.scan())
    found.raise_faults()
    return found


@pytest.fixture(scope="module")
def tests() -> str:
    """Every test of the repository but this one, as one text."""
    paths = [p for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__)]
    return "\n".join(p.read_text(encoding="utf-8") for p in paths)


# Hooks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_it_is_called_what_it_gets_and_what_a_failure_does(hook: str) -> None:
    contract = inspect.cleandoc(spec(hook).__doc__ or "")
    first = contract.partition("\n\n")[0]
    assert re.match(r"(Return|React|Judge|Hand|Forget|Take|Say)\b", first), f"{hook}: begin with what it does"
    assert re.search(r"\b(Called|Asked)\b", contract), f"{hook}: say when it is called"
    assert re.search(r"\bfail|\bfault", contract), f"{hook}: say what a failure does"
    arguments = [a for a in inspect.signature(spec(hook)).parameters if a not in ("unit", "actor", "site")]
    assert [a for a in arguments if f"``{a}" not in contract] == [], f"{hook}: name its arguments"
    assert inspect.signature(spec(hook)).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_bundled_user(hook: str) -> None:
    places = [ROOT / f"plugins/{n}/keyun_{n}/plugin.py" for n in BUNDLED]
    users = [p for p in places if f"def {hook}(" in p.read_text(encoding="utf-8")]
    assert users or hasattr(Core, hook), (
        f"{hook}: neither a bundled plugin nor the core uses it; it does not ship"
    )


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_named_in_a_test(hook: str, tests: str) -> None:
    assert hook in tests, f"{hook}: write a test that implements it (test_hook_{hook.removeprefix('keyun_')})"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_called_by_a_typed_method_only(hook: str) -> None:
    folder = ROOT / "core/keyun/plugins"
    inside = "\n".join(p.read_text(encoding="utf-8") for p in folder.glob("*.py"))
    assert f'"{hook}"' in inside, f"{hook}: give PluginManager a method that calls it"
    others = [
        p for p in (ROOT / "core/keyun").rglob("*.py") if folder not in p.parents and "testing" not in p.parts
    ]
    callers = [p for p in others if f"hook.{hook}(" in p.read_text(encoding="utf-8")]
    assert callers == [], f"{hook}: call the method of PluginManager"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_since_when_it_is_there(hook: str) -> None:
    added = since(spec(hook))
    if hook in FIRST:
        assert added is None
        return
    assert added is not None, f"{hook}: end its docstring with `.. versionadded:: {hookspecs.API_VERSION}`"
    assert Version("1.0") < Version(added) <= Version(hookspecs.API_VERSION), f"{hook}: raise API_VERSION"


def test_no_hook_of_the_first_version_is_gone() -> None:
    assert set(HOOKS) >= FIRST, "removing a hook takes a new major version of the plugin API"


# References -------------------------------------------------------------------------------------------------


def test_every_hook_and_manifest_key_has_its_row() -> None:
    hooks, manifest = page("hooks"), page("manifest")
    assert [h for h in HOOKS if f"\n## {h}\n" not in hooks or f"(#{h})" not in hooks] == []
    assert [k for k in TEXT | LISTS | FLAGS if f"| `{k}` |" not in manifest] == []


def test_every_permission_has_its_row(manager: PluginManager) -> None:
    text = page("permissions")
    declared = [*core_permissions(), *manager.permissions()]
    assert [p.name for p in declared if f"| `{p.name}` |" not in text] == []


def test_every_setting_has_its_row(manager: PluginManager) -> None:
    text = page("configuration")
    for plugin in manager.plugins.values():
        for name in plugin.settings_schema().fields:
            assert f"| `{name}` |" in text.partition(f"[plugin.{plugin.slot}]")[2]


def test_every_command_has_its_chapter() -> None:
    from keyun.cli import COMMANDS

    text = page("cli")
    for name, (module, attribute, _) in COMMANDS.items():
        command = getattr(importlib.import_module(module), attribute)
        assert f"## keyun {name}\n" in text
        for verb in command.commands if isinstance(command, click.Group) else ():
            assert f"## keyun {name} {verb}\n" in text


def test_every_event_has_its_row(manager: PluginManager) -> None:
    text = page("events")
    names = [*EVENTS, *(n for p in manager.plugins.values() for n in p.events)]
    assert [n for n in names if f"| `{n}` |" not in text] == []


def test_every_operation_of_the_api_has_its_chapter(manager: PluginManager) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    from keyun.app import create_app
    from keyun.testing import browse
    from reference.code import bundled, open_site

    text = page("api")
    with open_site(bundled()) as site:
        spec = browse(create_app(site)).get("/api/v1/openapi.json").get_json()
    for path, methods in spec["paths"].items():
        for method in methods.keys() - {"parameters"}:
            assert f"## {method.upper()} {path}\n" in text


# Events and the surface -------------------------------------------------------------------------------------


def test_the_core_declares_every_event_it_records_and_records_every_event_it_declares() -> None:
    modules = {p: t for p, t in trees(ROOT / "core/keyun").items() if "testing" not in p.parts}
    patterns = {name for tree in modules.values() for name, _ in recorded(tree)}
    assert [p for p in patterns if not fnmatch.filter(EVENTS, p)] == [], "add it to keyun/events/names.py"
    elsewhere = {p: t for p, t in modules.items() if p.name != "names.py"}
    written = constants(elsewhere)
    recorded_names = {n for n in EVENTS if n in written or any(fnmatch.fnmatch(n, p) for p in patterns)}
    assert EVENTS.keys() - recorded_names == set(), "nothing records it"


def public() -> Iterator[tuple[str, str]]:
    return ((m, n) for m in SURFACE for n in sorted(public_names(m)))


def test_every_public_name_is_there_once_and_says_what_it_is() -> None:
    for module in SURFACE:
        names = importlib.import_module(module).__all__
        assert len(names) == len(set(names)), f"{module}.__all__ names something twice"
    for module, name in public():
        found = getattr(importlib.import_module(module), name)
        ours = getattr(found, "__module__", "").startswith("keyun")
        if ours and (inspect.isclass(found) or inspect.isfunction(found)):
            assert (found.__doc__ or "").strip(), f"{module}.{name} has no docstring"
        assert not name.startswith("_"), f"{module}.{name} is private"


def test_the_page_of_the_surface_names_every_public_name() -> None:
    text = page("surface")

    def is_told(module: str, name: str) -> bool:
        below = text.partition(f"## {module}\n")[2].partition("\n## ")[0]
        return f"| `{name}` |" in below or f"| `{name}(" in below

    assert [f"{m}.{n}" for m, n in public() if not is_told(m, n)] == []
