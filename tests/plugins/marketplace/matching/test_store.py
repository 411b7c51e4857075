"""Index files: one consistent build, whatever happens while another is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyun.search.analysis import analyzer
from keyun_marketplace.matching import store
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.kernels import choose
from keyun_marketplace.matching.records import Query, Record, Weights
from keyun_marketplace.matching.segment import build, in_order


def segment(*titles: str):  # type: ignore[no-untyped-def]
    records = (Record(n, "offer", t, discipline="植物保护") for n, t in enumerate(titles, 1))
    return build(records, analyzer(), Weights())


def found(folder: Path, text: str) -> list[int]:
    matcher = Matcher.open(folder, analyzer(), choose("numpy"))
    return [c.key for c in matcher.match(Query(body=text), {"offer": 5}).candidates["offer"]]


def test_what_is_written_is_what_is_mapped(tmp_path: Path) -> None:
    store.write(tmp_path, segment("柑橘黄龙病", "钒钛合金"), {"cursor": [0, 7]})
    assert found(tmp_path, "钒钛") == [2]
    assert store.read(tmp_path).note == {"cursor": [0, 7]}
    assert not store.read(tmp_path).segment.impacts.flags.writeable


def test_a_build_that_breaks_off_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(tmp_path, segment("柑橘"), {})
    real = store._write_text

    def power_cut(path: Path, text: str) -> None:
        if path.name == store.POINTER:
            raise OSError("power cut")
        real(path, text)

    monkeypatch.setattr(store, "_write_text", power_cut)
    with pytest.raises(OSError, match="power cut"):
        store.write(tmp_path, segment("钒钛"), {})
    assert found(tmp_path, "柑橘") == [1]


def test_old_builds_go_and_an_open_one_still_answers(tmp_path: Path) -> None:
    store.write(tmp_path, segment("柑橘"), {})
    opened = Matcher.open(tmp_path, analyzer(), choose("numpy"))
    for _ in range(3):
        store.write(tmp_path, segment("钒钛"), {})
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 2
    assert [c.key for c in opened.match(Query(body="柑橘"), {"offer": 5}).candidates["offer"]] == [1]


@pytest.mark.parametrize("damage", ["delete", "truncate", "manifest", "pointer", "format"])
def test_damaged_files_name_the_command_that_repairs(tmp_path: Path, damage: str) -> None:
    name = store.write(tmp_path, segment("柑橘", "钒钛"), {})
    place = tmp_path / name
    match damage:
        case "delete":
            (place / "ids.npy").unlink()
        case "truncate":
            (place / "impacts.npy").write_bytes((place / "impacts.npy").read_bytes()[:-4])
        case "manifest":
            (place / store.MANIFEST).write_text("{")
        case "pointer":
            (tmp_path / store.POINTER).write_text("nowhere")
        case "format":
            text = (place / store.MANIFEST).read_text()
            (place / store.MANIFEST).write_text(text.replace('"format": 2', '"format": 9'))
    with pytest.raises(store.IndexMissing, match="keyun marketplace index rebuild"):
        store.read(tmp_path)


def test_records_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in the order of their keys"):
        list(in_order([Record(2, "offer", "a"), Record(1, "offer", "b")]))
