"""``keyun search`` and ``keyun index``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli
from keyun.content import Content
from keyun.search.services import backend as engine_of
from keyun.site import Site

Write = Callable[..., Content]
CatchUp = Callable[[Site], None]
#: Commands are the same over every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def keyun(library: Site) -> Callable[..., Result]:
    """``keyun("search", "柑橘")`` in the folder of the library."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--instance", str(library.runtime.instance), *arguments])

    return run


def test_search_prints_what_was_found_and_marks_the_words(
    library: Site, keyun: Callable[..., Result], write: Write, catch_up: CatchUp
) -> None:
    write(library, "柑橘黄龙病\x1b[2J的识别", body="看叶片判断黄龙病。")
    catch_up(library)
    result = keyun("search", "黄龙病")
    assert result.exit_code == 0
    assert "柑橘【黄龙病】" in result.stdout
    assert "[popsci.article]" in result.stdout
    assert "丹棱县" in result.stdout
    assert "看叶片判断【黄龙病】。" in result.stdout
    assert "\x1b" not in result.stdout


def test_search_prints_json_for_programs(
    library: Site, keyun: Callable[..., Result], write: Write, catch_up: CatchUp
) -> None:
    item = write(library, "柑橘")
    write(library, "柑橘", region="510104")
    catch_up(library)
    found: dict[str, Any] = json.loads(keyun("search", "柑橘", "--region", "511400", "--json").stdout)
    assert [i["id"] for i in found["items"]] == [item.public_id]
    assert found["total"] == 1


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("--type", "no.such"), "popsci.article"),
        (("--region", "999999"), "six-digit"),
        ((), "keyun index rebuild"),
    ],
)
def test_search_says_what_is_wrong(
    library: Site, keyun: Callable[..., Result], arguments: tuple[str, ...], says: str
) -> None:
    result = keyun("search", "柑橘", *arguments)
    assert result.exit_code == 1
    assert says in result.stderr


def test_verify_tells_behind_from_damaged(
    library: Site, keyun: Callable[..., Result], write: Write, catch_up: CatchUp
) -> None:
    item = write(library, "柑橘")
    catch_up(library)
    assert keyun("index", "verify").exit_code == 0
    write(library, "水稻")
    behind = keyun("index", "verify")
    assert behind.exit_code == 1
    assert "behind" in behind.stderr
    assert "keyun worker" in behind.stderr
    with engine_of(library).writing():
        engine_of(library).update([], [item.id])
    damaged = keyun("index", "verify", "--json")
    assert damaged.exit_code == 1
    assert "keyun index rebuild" in damaged.stderr
    assert json.loads(damaged.stdout)["missing"] == [item.id]
    assert keyun("index", "rebuild").stdout == "2 items indexed\n"
    assert json.loads(keyun("index", "verify", "--json").stdout)["healthy"]


def test_rebuild_makes_a_deleted_index(library: Site, keyun: Callable[..., Result], write: Write) -> None:
    write(library, "柑橘")
    shutil.rmtree(library.runtime.instance / "search", ignore_errors=True)
    assert keyun("index", "verify").exit_code == 1
    assert keyun("index", "rebuild").exit_code == 0
    assert keyun("index", "verify").exit_code == 0
