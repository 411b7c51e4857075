"""``keyun plugins new``: the plugin it writes, the names it refuses, and that nothing half-written stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from keyun.errors import KeyunError
from keyun.scaffold import Names, missing_edits, write_bundled, write_distribution

Keyun = Callable[..., "subprocess.CompletedProcess[str]"]
TAKEN = {"popsci": "the installed plugin 科普苑", "bayu_bridge": "the installed plugin 巴蜀科技云"}


@pytest.fixture
def keyun(tmp_path: Path) -> Keyun:
    def run(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        command = [sys.executable, "-m", "keyun", "plugins", *arguments]
        return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)

    return run


def test_the_command_writes_a_whole_distribution(keyun: Keyun, tmp_path: Path) -> None:
    answer = keyun("new", "seed_fair", "--title", "种子集市", "--outside", str(tmp_path / "own"))
    assert answer.returncode == 0, answer.stderr
    home = tmp_path / "own/keyun-plugin-seed-fair"
    project = tomllib.loads((home / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["keyun.plugins"] == {
        "seed_fair": "keyun_seed_fair.plugin:SeedFairPlugin"
    }
    manifest = tomllib.loads((home / "keyun_seed_fair/plugin.toml").read_text(encoding="utf-8"))["plugin"]
    assert (manifest["title"], manifest["title_en"]) == ("种子集市", "Seed fair")
    for name in ("README.md", "CHANGELOG.md", "LICENSE", ".gitignore", "tests/test_seed_fair.py"):
        assert (home / name).is_file()
    texts = [p.read_text(encoding="utf-8") for p in home.rglob("*") if p.is_file() and p.suffix != ".mo"]
    assert not [t for t in texts if "@name@" in t or "@title@" in t], "every token is filled in"


@pytest.mark.parametrize("name", ["ab", "a_plugin_with_quite_a_long_name"])
def test_a_new_plugin_keeps_the_contract_passes_its_tests_and_the_linter(
    scaffolded: Callable[..., Path], name: str
) -> None:
    home = scaffolded(name)
    commands = (["pytest", "-q", "-p", "no:cacheprovider"], ["ruff", "check"])
    for command in commands:
        env = os.environ | {"KEYUN_TEST_BACKEND": "sqlite"}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=home, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_plugin_is_formatted_as_the_formatter_has_it(scaffolded: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "ruff", "format", "--check"]
    done = subprocess.run(command, cwd=scaffolded("seed_fair"), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Seed", "no plugin name"),
        ("s", "no plugin name"),
        ("seed-fair", "no plugin name"),
        ("seed__fair", "no plugin name"),
        ("../seed", "no plugin name"),
        ("admin", "is reserved"),
        ("popsci", "科普苑 is called popsci already"),
        ("popsci_more", "one name begins with the other"),
        ("bayu", "one name begins with the other"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_reason(name: str, words: str) -> None:
    with pytest.raises(KeyunError, match=words):
        Names.of(name, "名称", taken=TAKEN)


@pytest.mark.parametrize("title", ['种子"集市', "种子{{集市", "种\x1b子", "一" * 41, "两\n行", "百分%号"])
def test_a_title_that_breaks_files_is_refused(title: str) -> None:
    with pytest.raises(KeyunError, match="no title"):
        Names.of("seed_fair", title)


def test_titles_are_made_of_the_name_and_each_is_in_its_language() -> None:
    assert Names.of("seed_fair") == Names("seed_fair", "seed_fair 插件", "Seed fair")
    for titles in (("Seeds", ""), ("种子", "种子")):
        with pytest.raises(KeyunError, match="--title-en"):
            Names.of("seed_fair", *titles)


def test_an_existing_folder_is_refused_and_kept(keyun: Keyun, tmp_path: Path) -> None:
    (tmp_path / "keyun-plugin-seed-fair").mkdir()
    (tmp_path / "keyun-plugin-seed-fair/mine.txt").write_text("mine")
    answer = keyun("new", "seed_fair", "--outside", str(tmp_path))
    assert answer.returncode == 1 and "exists already" in answer.stderr
    assert [p.name for p in tmp_path.rglob("*")] == ["keyun-plugin-seed-fair", "mine.txt"]


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(path: Path, text: str, **more: str) -> int:
        if path.name == "views.py":
            raise OSError(28, "No space left on device")
        return write(path, text, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(KeyunError, match="No space left"):
        write_distribution(Names.of("seed_fair", "种子集市"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_inside_the_repository_it_says_which_lines_are_missing(tmp_path: Path) -> None:
    setup = (
        "[options]\npackages =\n    keyun\npackage_dir =\n    keyun = core/keyun\n"
        "[options.entry_points]\nkeyun.plugins =\n    popsci = keyun_popsci.plugin:PopsciPlugin\n"
        "[mypy]\nmypy_path = core:plugins/popsci\n[coverage:run]\nsource_pkgs = keyun, keyun_popsci\n"
    )
    (tmp_path / "setup.cfg").write_text(setup)
    (tmp_path / "plugins").mkdir()
    names = Names.of("seed_fair", "种子集市")
    assert write_bundled(names, tmp_path) == tmp_path / "plugins/seed_fair"
    assert (tmp_path / "plugins/seed_fair/keyun_seed_fair/plugin.py").is_file()
    assert (tmp_path / "tests/plugins/seed_fair/test_seed_fair.py").is_file()
    assert "pip install" not in (tmp_path / "plugins/seed_fair/README.md").read_text(encoding="utf-8")
    assert missing_edits("seed_fair", tmp_path) == [
        ("[options] packages", "keyun_seed_fair"),
        ("[options] package_dir", "keyun_seed_fair = plugins/seed_fair/keyun_seed_fair"),
        ("[options.entry_points] keyun.plugins", "seed_fair = keyun_seed_fair.plugin:SeedFairPlugin"),
        ("[mypy] mypy_path", "plugins/seed_fair"),
        ("[coverage:run] source_pkgs", "keyun_seed_fair"),
    ]
    assert missing_edits("popsci", Path(__file__).parents[3]) == []
    with pytest.raises(KeyunError, match="exists already"):
        write_bundled(names, tmp_path)


def test_inside_the_repository_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "tests").write_text("no folder")
    with pytest.raises(KeyunError, match="cannot be written"):
        write_bundled(Names.of("seed_fair", "种子集市"), tmp_path)
    assert list((tmp_path / "plugins").iterdir()) == []


@pytest.mark.parametrize("name", ["jobs", "organizations"])
def test_no_plugin_takes_the_name_of_a_command_or_an_importer_of_the_core(
    keyun: Keyun, tmp_path: Path, name: str
) -> None:
    answer = keyun("new", name, "--outside", str(tmp_path))
    assert answer.returncode == 1 and "choose another name" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_outside_the_repository_it_asks_for_a_folder(keyun: Keyun, tmp_path: Path) -> None:
    answer = keyun("new", "seed_fair")
    assert answer.returncode == 1
    assert "keyun plugins new seed_fair --outside DIR" in answer.stderr
    assert list(tmp_path.iterdir()) == []
