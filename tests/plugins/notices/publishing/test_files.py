"""Attachments are what their content says, and are kept once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.access import system
from keyun.errors import Forbidden, Invalid, NotFound
from keyun_notices.publishing import files
from keyun_notices.publishing.draft import Kept
from keyun_notices.publishing.models import Attachment

Push = Any
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def keep(push: Push, name: str, content: bytes) -> Kept:
    """The file as it is kept."""
    kept: Kept = push.reading(lambda u: files.keep(system(), u, name, content))
    return kept


@pytest.mark.parametrize(
    ("content", "kind", "name"),
    [
        (b"%PDF-1.4\n", "application/pdf", "a.pdf"),
        (PNG, "image/png", "a.png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", "a.jpg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp", "a.webp"),
        ("纯文本\n".encode(), "text/plain", "a.txt"),
    ],
)
def test_a_file_is_what_its_content_says(push: Push, content: bytes, kind: str, name: str) -> None:
    kept = keep(push, "a", content)
    assert (kept.content_type, kept.name, kept.size) == (kind, name, len(content))
    assert keep(push, "a.exe", content).name == f"a.exe{name[1:]}"
    assert keep(push, name.upper(), content).name == name.upper()


@pytest.mark.parametrize(
    "content", [b"", b"MZ\x90\x00", b"PK\x03\x04", b"\x00\x01", b"GIF89a\xff", b"a\x1bb"]
)
def test_other_kinds_are_refused(push: Push, content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        keep(push, "a.pdf", content)
    assert "attachments" in refused.value.fields


def test_a_file_has_a_largest_size(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1024 * 1024)
    keep(push, "a.txt", b"x" * 1024 * 1024)
    with pytest.raises(Invalid, match="1 MB"):
        keep(push, "a.txt", b"x" * (1024 * 1024 + 1))


@given(st.text(max_size=200))
def test_no_name_leads_out_of_a_folder_or_breaks_a_header(name: str) -> None:
    found = files._name(name, (".pdf",))
    assert (4 < len(found) <= 120 and found.endswith((".pdf", ".PDF"))) or found.lower().endswith(".pdf")
    assert not set(found) & set('/\\\r\n\x00"') and not found.startswith(".")
    found.encode()


def test_only_who_sends_may_leave_files_here(town: Push) -> None:
    with pytest.raises(Forbidden):
        town.reading(lambda u: files.keep(town.actor("an"), u, "a.txt", b"a"))


def test_the_same_content_is_kept_once_and_belongs_to_each_notice(town: Push) -> None:
    kept = keep(town, "a.png", PNG)
    assert keep(town, "b.png", PNG).digest == kept.digest
    town.publish("n1", attachments=(kept,))
    town.publish("n2", attachments=(keep(town, "b.png", PNG),))
    found = town.reading(lambda u: u.session.query(Attachment).order_by(Attachment.id).all())
    assert [f.name for f in found] == ["a.png", "b.png"]
    assert files.read(town.site, found[0]).read_bytes() == PNG


def test_another_file_under_the_same_key_is_another_content(town: Push) -> None:
    from keyun.errors import Conflict

    town.publish("n1", attachments=(keep(town, "a.png", PNG),))
    assert town.publish("n1", attachments=(keep(town, "a.png", PNG),)).ikey == "n1"
    with pytest.raises(Conflict):
        town.publish("n1", attachments=(keep(town, "a.png", PNG + b"1"),))


def test_a_file_that_is_gone_is_named_before_anything_is_published(town: Push) -> None:
    kept = keep(town, "a.png", PNG)
    files.where(town.site, kept.digest).unlink()
    with pytest.raises(Invalid, match=r"a\.png"):
        town.publish("n1", attachments=(kept,))
    town.publish("n1", attachments=(keep(town, "a.png", PNG),))
    files.where(town.site, kept.digest).unlink()
    found = town.reading(lambda u: u.session.query(Attachment).one())
    with pytest.raises(NotFound, match="不在"):
        files.read(town.site, found)


def test_the_sweep_takes_what_no_notice_names_and_nothing_else(town: Push) -> None:
    named, orphan = keep(town, "a.png", PNG), keep(town, "b.txt", b"orphan")
    town.publish("n1", attachments=(named,))
    assert files.sweep(town.site) == 0
    town.clock.tick(dt.timedelta(days=3))
    fresh = keep(town, "c.txt", b"fresh")
    assert files.sweep(town.site) == 1
    there = [files.where(town.site, k.digest).exists() for k in (named, orphan, fresh)]
    assert there == [True, False, True]
