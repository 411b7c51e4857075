"""What is accepted, how it is kept, who sees it, and when it goes."""

from __future__ import annotations

import datetime as dt
import io
import json
import struct
import zlib
from pathlib import Path
from unittest.mock import Mock

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from keyun.access import anonymous, system
from keyun.accounts import User, actor_for
from keyun.accounts.personal import erase
from keyun.cli import cli
from keyun.content import Content, create, find, publish, release, withdraw
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.files import attach, attachments, describe, detach, receive
from keyun.files import pictures as pictures_module
from keyun.files.jobs import KEEP, sweep
from keyun.files.kinds import clean_name
from keyun.files.models import StoredFile
from keyun.files.services import find_attachment
from keyun.files.store import store
from keyun.jobs import JobRow, Worker
from keyun.testing import make_user
from keyun.testing.clock import Clock
from tests.core.files.conftest import ARTICLE, PDF, MakeShelf, Shelf, picture


def refused(shelf: Shelf, content: bytes, name: str = "a.jpg") -> str:
    with pytest.raises(Invalid) as error:
        receive(shelf.site, io.BytesIO(content), name)
    assert shelf.lying() == set()
    return str(error.value)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 999))
        + chunk(b"IEND", b"")
    )


# What is accepted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<!DOCTYPE html><script>alert(1)</script>", "a.jpg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "a.png"),
        (b"\xef\xbb\xbf  <html>", "a.txt"),
        (b"MZ\x90\x00" + b"\0" * 100, "a.pdf"),
        (b"PK\x03\x04" + b"\0" * 100, "a.docx"),
        (b"GIF89a" + b"\0" * 100, "a.gif"),
        (b"just words", "a.jpg"),
        (PDF[:20], "cut.pdf"),
        (b"<html>" + PDF, "a.pdf"),
        (b"", "a.jpg"),
    ],
)
def test_a_wrong_kind_behind_a_right_ending_is_refused(shelf: Shelf, content: bytes, name: str) -> None:
    refused(shelf, content, name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_is_cut_off_or_broken_is_refused(shelf: Shelf, kind: str) -> None:
    whole = picture(kind, (300, 200))
    assert "打不开" in refused(shelf, whole[: len(whole) // 2])
    assert "打不开" in refused(shelf, whole[:40] + b"\0" * 200)


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (10_000, 9_000), (1, 2**30), (40_000, 1)])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(
    shelf: Shelf, width: int, height: int
) -> None:
    refused(shelf, bomb(width, height))


class Endless:
    """Something that never ends; it counts what was read of it."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        self.given += size
        return b"\xff\xd8\xff" + b"\0" * (size - 3)


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = picture(size=(600, 400), progressive=True)
    assert shelf.bring(usual).file.width == 600
    monkeypatch.setattr(pictures_module, "_write", Mock(side_effect=AssertionError("it is decoded")))
    body, end = usual[:-2], usual[-2:]
    scan = body[body.rindex(b"\xff\xda") :]
    with pytest.raises(Invalid, match="不完整"):
        receive(shelf.site, io.BytesIO(body + 200 * scan + end), "a.jpg")


def test_a_preview_within_a_jpeg_is_no_scan_of_it(shelf: Shelf) -> None:
    usual = picture()
    filled = b"\xff" * 1_000_000
    preview = b"\xff\xe2" + (60_002).to_bytes(2, "big") + b"\xff\xda" * 30_000
    assert shelf.bring(usual[:2] + preview + filled + usual[2:] + b"\xff\xda" * 999).file.width == 60


def test_too_much_is_refused_while_it_is_read(shelf: Shelf) -> None:
    source = Endless()
    with pytest.raises(Invalid, match="太大"):
        receive(shelf.site, source, "a.jpg")
    assert source.given <= 20_000_000 + 65536


def test_every_kind_has_its_own_limit(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"files": {"kinds": {"application/pdf": 10, "image/png": 100_000, "text/plain": 50}}})
    assert "太大" in refused(shelf, PDF)
    assert "不接受" in refused(shelf, picture("JPEG"))
    assert shelf.bring("只是文字".encode(), "a.html", alt="").name == "a.txt"
    with pytest.raises(Invalid, match="不接受"):
        shelf.bring(b"words\x00", "a.txt")


def test_without_pillow_pictures_are_refused_with_the_command(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures_module, "available", lambda: False)
    assert "pip install 'keyun[images]'" in refused(shelf, picture())
    assert shelf.bring(PDF, "b.pdf", alt="").file.kind == "application/pdf"


def test_a_picture_is_kept_without_place_and_device_and_upright(shelf: Shelf) -> None:
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Spy Camera"
    exif.get_ifd(0x8825)[2] = (30.0, 40.0, 50.0)
    found = shelf.bring(picture("JPEG", (60, 40), exif=exif, comment=b"secret"))
    with store(shelf.site.runtime).open(found.digest) as file:
        content = file.read()
    assert b"Spy" not in content and b"secret" not in content and b"Exif" not in content
    assert (found.file.width, found.file.height) == (40, 60)


def test_other_modes_become_what_browsers_show(shelf: Shelf) -> None:
    for number, (kind, mode) in enumerate(
        [("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"), ("PNG", "1")]
    ):
        assert shelf.bring(picture(kind, mode=mode, colour=number)).file.width == 60


@given(st.text(max_size=300))
def test_a_name_leads_nowhere(name: str) -> None:
    found = clean_name(name, "image/png")
    assert found.endswith(".png") and len(found) <= 120
    assert not set(found) & set('/\\:*?"<>|\x00\r\n') and not found.startswith(".")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\boot\\叶.PNG", "叶.jpg"),
        ("..", "file.jpg"),
        ("a\u202egpj.exe", "agpj.jpg"),
        ('x" onload="y.jpg', "x onload=y.jpg"),
    ],
)
def test_a_name_is_only_a_name(shelf: Shelf, name: str, expected: str) -> None:
    assert shelf.bring(picture(), name).name == expected


# Items and their files ------------------------------------------------------------------------------------


def test_a_picture_needs_words_and_an_item_has_an_end(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"files": {"most_files": 2}})
    with pytest.raises(Invalid) as error:
        shelf.bring(picture(), alt="  ")
    assert set(error.value.fields) == {"alt"}
    with pytest.raises(Invalid):
        shelf.bring(picture(), credit="长" * 201)
    assert [shelf.bring(picture(), "叶.jpg").name, shelf.bring(picture(), "叶.jpg").name] == [
        "叶.jpg",
        "叶-2.jpg",
    ]
    with pytest.raises(Invalid, match="最多 2 个"):
        shelf.bring(picture())


def test_a_changed_picture_is_a_change_that_is_screened(shelf: Shelf) -> None:
    with shelf.site.writing() as unit:
        values = ARTICLE | {"category": "health"}
        item = create(shelf.editor, unit, shelf.site.types["popsci.article"], values)
        publish(shelf.editor, unit, item)
        release(system(), unit, item)
        assert item.state == "published"
        shelf.item = item.public_id
    found = shelf.bring(picture())
    with shelf.site.reading() as unit:
        assert find(system(), unit, Content, shelf.item).state == "submitted"
    with shelf.site.writing() as unit:
        release(system(), unit, find(system(), unit, Content, shelf.item))
    with shelf.site.writing() as unit:
        attachment, item = find_attachment(shelf.editor, unit, found.public_id)
        describe(shelf.editor, unit, attachment, alt="另一片", credit="演示 CC BY 4.0")
        assert item.state == "submitted"


def test_only_who_may_change_the_item_changes_its_files(shelf: Shelf) -> None:
    found = shelf.bring(picture())
    received = receive(shelf.site, io.BytesIO(PDF), "a.pdf")
    with shelf.site.writing() as unit:
        stranger = actor_for(make_user(unit, "stranger", level=2))
    for verb in (
        lambda u, a, i: attach(stranger, u, i, received),
        lambda u, a, i: describe(stranger, u, a, alt="他", credit=""),
        lambda u, a, i: detach(stranger, u, a),
    ):
        with pytest.raises(Forbidden), shelf.site.writing() as unit:
            verb(unit, *find_attachment(stranger, unit, found.public_id))
    with shelf.site.writing() as unit:
        withdraw(shelf.editor, unit, find(shelf.editor, unit, Content, shelf.item))
    with pytest.raises(NotFound), shelf.site.reading() as unit:
        find_attachment(anonymous(), unit, found.public_id)
    with pytest.raises(Conflict), shelf.site.writing() as unit:
        attach(shelf.editor, unit, find(shelf.editor, unit, Content, shelf.item), received)


def test_the_files_of_a_list_are_read_with_one_statement(shelf: Shelf) -> None:
    with shelf.site.writing() as unit:
        for n in range(5):
            item = create(
                shelf.editor, unit, shelf.site.types["popsci.article"], ARTICLE | {"title": f"第 {n} 篇"}
            )
            shelf.item = item.public_id
    shelf.bring(PDF, "甲.pdf", alt="")
    shelf.bring(PDF, "乙.pdf", alt="")
    with shelf.site.reading() as unit:
        items = list(unit.session.scalars(sa.select(Content)))
        statements: list[str] = []
        sa.event.listen(
            shelf.site.runtime.engine, "before_cursor_execute", lambda *a: statements.append(a[2])
        )
        found = attachments(unit, items)
        assert [[(a.name, a.file.size) for a in files] for files in found.values()] == [
            [("甲.pdf", len(PDF)), ("乙.pdf", len(PDF))]
        ]
        assert len(statements) == 1


# How files are kept ---------------------------------------------------------------------------------------


def test_two_equal_uploads_are_kept_once_and_go_with_the_last(shelf: Shelf, clock: Clock) -> None:
    one, other = shelf.bring(PDF, "a.pdf", alt=""), shelf.bring(PDF, "b.pdf", alt="")
    assert shelf.lying() == {one.digest} and one.digest == other.digest
    clock.tick(KEEP * 2)
    for found, left in ((one, {one.digest}), (other, set())):
        with shelf.site.writing() as unit:
            detach(shelf.editor, unit, find_attachment(shelf.editor, unit, found.public_id)[0])
        shelf.work()
        assert shelf.lying() == left
    with shelf.site.reading() as unit:
        assert unit.session.query(StoredFile).count() == 0


def test_smaller_pictures_are_made_by_a_job_and_go_with_the_whole_one(shelf: Shelf, clock: Clock) -> None:
    image = pytest.importorskip("PIL.Image")
    found = shelf.bring(picture("PNG", (2000, 500)))
    shelf.work()
    assert shelf.lying() == {found.digest, f"{found.digest}.web", f"{found.digest}.thumb"}
    for name, width in (("web", 1600), ("thumb", 320)):
        with store(shelf.site.runtime).open(f"{found.digest}.{name}") as file:
            assert image.open(file).size == (width, width // 4)
    with shelf.site.writing() as unit:
        detach(shelf.editor, unit, find_attachment(shelf.editor, unit, found.public_id)[0])
    clock.tick(KEEP * 2)
    shelf.work()
    assert shelf.lying() == set()


def test_a_crash_between_file_and_commit_leaves_nothing_after_a_day(shelf: Shelf, clock: Clock) -> None:
    received = receive(shelf.site, io.BytesIO(PDF), "a.pdf")
    with pytest.raises(ZeroDivisionError), shelf.site.writing() as unit:
        attach(shelf.editor, unit, find(shelf.editor, unit, Content, shelf.item), received)
        _ = 1 / 0
    assert shelf.files() == [] and shelf.lying() == {received.digest}
    shelf.work()
    assert shelf.lying() == {received.digest}, "somebody may be about to attach it"
    clock.tick(KEEP + dt.timedelta(seconds=1))
    shelf.work()
    assert shelf.lying() == set()
    with pytest.raises(Conflict, match="重新上传"), shelf.site.writing() as unit:
        attach(shelf.editor, unit, find(shelf.editor, unit, Content, shelf.item), received)


def test_a_killed_sweep_is_finished_and_lets_nobody_in_meanwhile(shelf: Shelf, clock: Clock) -> None:
    received = receive(shelf.site, io.BytesIO(PDF), "a.pdf")
    with shelf.site.writing() as unit:
        unit.session.execute(sa.update(StoredFile).values(dying=True))
    with pytest.raises(Conflict, match="正在清理"):
        receive(shelf.site, io.BytesIO(PDF), "a.pdf")
    store(shelf.site.runtime).remove(received.digest)
    sweep(shelf.site)
    assert shelf.bring(PDF, "a.pdf", alt="").digest == received.digest
    clock.tick(KEEP * 2)
    sweep(shelf.site)
    assert shelf.lying() == {received.digest}


def test_files_leave_with_the_row_of_their_item(shelf: Shelf, clock: Clock) -> None:
    with shelf.site.writing() as unit:
        item = create(shelf.editor, unit, shelf.site.types["popsci.article"], ARTICLE)
        shelf.item = item.public_id
    shelf.bring(PDF, "a.pdf", alt="")
    clock.tick(KEEP * 2)
    with shelf.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, shelf.editor.user_id))
    shelf.work()
    assert shelf.lying() == set()


def test_another_place_serves_as_well(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"files": {"url": "memory://keyun-test"}})
    found = shelf.bring(PDF, "a.pdf", alt="")
    place = store(shelf.site.runtime)
    assert shelf.lying() == {found.digest} and place.size(found.digest) == len(PDF)
    with place.open(found.digest) as file:
        assert file.read() == PDF
    place.remove(found.digest)
    place.remove(found.digest)
    assert place.size(found.digest) is None and shelf.lying() == set()
    with pytest.raises(ValueError):
        place.open("../../etc/passwd")


# What operators see ---------------------------------------------------------------------------------------


def run(shelf: Shelf, *arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(cli, ["--instance", str(shelf.site.runtime.instance), *arguments])
    return answer.exit_code, answer.output


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_verify_and_doctor_find_what_is_missing_or_damaged(shelf: Shelf) -> None:
    found = shelf.bring(PDF, "a.pdf", alt="")
    assert run(shelf, "files", "verify")[0] == 0
    path = Path(shelf.site.runtime.instance, "files", found.digest[:2], found.digest)
    path.write_bytes(PDF[:-1] + b"x")
    assert run(shelf, "files", "verify", "--quick")[0] == 0
    code, text = run(shelf, "files", "verify", "--json")
    assert code == 1 and json.loads(text.partition("\nkeyun:")[0])["damaged"] == [found.digest]
    path.unlink()
    assert json.loads(run(shelf, "files", "verify", "--json")[1].partition("\nkeyun:")[0])["missing"] == [
        found.digest
    ]
    code, text = run(shelf, "doctor", "--json")
    assert any("of content are missing" in p for c in json.loads(text)["checks"] for p in c["problems"])


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_upload_that_broke_off_is_no_damage(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store(shelf.site.runtime), "put", Mock(side_effect=OSError("the disk is full")))
    with pytest.raises(OSError, match="full"):
        receive(shelf.site, io.BytesIO(PDF), "a.pdf")
    code, text = run(shelf, "files", "verify", "--json")
    assert code == 0 and json.loads(text)["files"] == 0
    assert "of content are missing" not in run(shelf, "doctor", "--json")[1]


def test_the_same_words_again_change_nothing(shelf: Shelf) -> None:
    found = shelf.bring(picture(), alt="一片黄叶", credit="演示")
    with shelf.site.writing() as unit:
        before = find(shelf.editor, unit, Content, shelf.item).version
        again, item = find_attachment(shelf.editor, unit, found.public_id)
        describe(shelf.editor, unit, again, alt=" 一片黄叶 ", credit="演示")
        assert item.version == before
        describe(shelf.editor, unit, again, alt="两片黄叶", credit="演示")
        assert item.version > before


def test_a_file_of_an_item_that_nobody_has_taken_over_is_not_found(shelf: Shelf) -> None:
    found = shelf.bring(PDF, alt="")
    with shelf.site.writing() as unit:
        unit.session.execute(sa.text("DELETE FROM popsci_article"))
    with shelf.site.reading() as unit, pytest.raises(NotFound):
        find_attachment(shelf.editor, unit, found.public_id)


def test_the_job_says_what_it_lacks(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.bring(picture())
    monkeypatch.setattr("keyun.files.jobs.available", lambda: False)
    Worker(shelf.site).drain()
    with shelf.site.reading() as unit:
        row = unit.session.query(JobRow).filter_by(name="core.files-render").one()
        assert row.state == "dead" and "keyun[images]" in (row.error or "")
