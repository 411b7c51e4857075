"""setup.cfg says by hand what lies on disk; here both are held against each other."""

from __future__ import annotations

import configparser
import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(p.name for p in (ROOT / "plugins").iterdir() if (p / f"keyun_{p.name}").is_dir())


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(value: str) -> list[str]:
    return [x.strip() for x in value.strip().splitlines() if not x.strip().startswith("#")]


def packages() -> dict[str, Path]:
    found = {}
    for root in (ROOT / "core", *(ROOT / "plugins" / p for p in PLUGINS)):
        for init in root.rglob("__init__.py"):
            if "tests" not in init.parts:
                found[".".join(init.parent.relative_to(root).parts)] = init.parent
    return found


def test_every_package_on_disk_is_listed(setup: configparser.ConfigParser) -> None:
    assert sorted(lines(setup["options"]["packages"])) == sorted(packages())


def test_every_plugin_folder_is_mapped(setup: configparser.ConfigParser) -> None:
    mapped = dict(re.split(r"\s*=\s*", x) for x in lines(setup["options"]["package_dir"]))
    assert mapped == {"keyun": "core/keyun"} | {f"keyun_{p}": f"plugins/{p}/keyun_{p}" for p in PLUGINS}


def test_every_plugin_has_its_entry_point_and_extra(setup: configparser.ConfigParser) -> None:
    import tomllib

    points = dict(re.split(r"\s*=\s*", x) for x in lines(setup["options.entry_points"]["keyun.plugins"]))
    assert sorted(points) == PLUGINS
    for name in PLUGINS:
        text = (ROOT / f"plugins/{name}/keyun_{name}/plugin.toml").read_text(encoding="utf-8")
        extra = tomllib.loads(text)["plugin"].get("extra")
        assert extra is None or extra in setup["options.extras_require"]


def test_type_checkers_look_in_the_same_places(setup: configparser.ConfigParser) -> None:
    want = {"core", "benchmarks", "tools"} | {f"plugins/{p}" for p in PLUGINS}
    assert set(re.split(r"[,:\s]+", setup["mypy"]["mypy_path"])) == want


def test_every_data_file_is_packed(setup: configparser.ConfigParser) -> None:
    patterns = lines(setup["options.package_data"]["*"])
    homes = sorted(packages().values(), key=lambda p: -len(p.parts))
    forgotten = []
    for home in (ROOT / "core/keyun", *(ROOT / f"plugins/{p}/keyun_{p}" for p in PLUGINS)):
        for path in home.rglob("*"):
            if not path.is_file() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
                continue
            package = next(h for h in homes if path.is_relative_to(h))
            name = path.relative_to(package).as_posix()
            if not any(fnmatch.fnmatch(name, p.replace("**/", "*")) for p in patterns):
                forgotten.append(str(path.relative_to(ROOT)))
    assert forgotten == []
