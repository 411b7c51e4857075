"""What processes append: nothing is read as something else, whatever tore the file off."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from keyun_usage import spool as spool_module
from keyun_usage.layout import HEADER, RECORD, RECORDS, WORD, block, header
from keyun_usage.reading import pieces, read
from keyun_usage.spool import Spool

Only = Callable[[], Path]
WORDS = ("web", "browser", "popsci.article")
AT = 1_795_500_000
WRITER = """
import datetime as dt, sys, threading, time
from pathlib import Path
from keyun_usage.spool import Spool

spool = Spool(Path(sys.argv[1]), lambda: dt.datetime.now(dt.UTC), every=0.05)

def write(me):
    number = 0
    while True:
        spool.note(1_795_500_000, 511424, me, number, ("web", "browser", f"type-{me}"), 1)
        if me == 0 and number % 50 == 0:
            spool.flush()
            print(number, flush=True)
        number += 1

for me in range(4):
    threading.Thread(target=write, args=(me,), daemon=True).start()
time.sleep(60)
"""


def note(spool: Spool, *people: int) -> None:
    for person in people:
        spool.note(AT, 511424, 7, person, WORDS, 1)


def people(path: Path, **more: int) -> list[int]:
    return [int(p) for p in read(path, **more).batch.records["person"]]


def test_what_is_appended_is_read_back_with_its_words(spool: Spool, only: Only) -> None:
    spool.note(AT, 511424, 7, 2**63, ("大屏", "browser", "popsci.article"), 0)
    spool.flush()
    spool.note(AT + 1, 0, 8, 5, ("web", "robot", "popsci.article"), 1)
    spool.close()
    piece = read(only())
    assert (piece.lost, piece.complete, piece.killed) == (0, True, False)
    first, second = piece.batch.records
    assert (first["at"], first["region"], first["item"], first["person"]) == (AT, 511424, 7, 2**63)
    assert piece.batch.words[int(first["channel"])] == "大屏"
    assert list(piece.batch.among("agent", "robot")) == [False, True]
    assert list(piece.batch.registered) == [False, True]
    assert second["person"] == 5


def test_reading_goes_on_where_it_stopped_and_knows_the_words(spool: Spool, only: Only) -> None:
    note(spool, 1, 2)
    spool.flush()
    first = read(only())
    assert not first.complete
    note(spool, 3)
    spool.close()
    rest = read(only(), first.offset)
    assert [int(p) for p in rest.batch.records["person"]] == [3]
    assert rest.batch.words == first.batch.words
    assert rest.complete


def test_a_process_that_is_killed_loses_nothing_that_it_had_handed_over(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        handed = [int(process.stdout.readline()) for _ in range(20)][-1]
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What came through the pipe before the end was handed over as well.
        handed = max([handed, *(int(line) for line in process.stdout if line.endswith("\n"))])
    (path,) = folder.glob("*.spool")
    for me in range(4):
        batches = [piece.batch.records for piece in pieces(path)]
        found = [int(p) for records in batches for p in records[records["item"] == me]["person"]]
        assert found == list(range(len(found))), "each once, in order, without a hole"
        assert me or len(found) > handed
    end = read(path)
    assert (end.complete, end.killed) == (True, True)


@pytest.mark.parametrize("cut", range(1, HEADER.size + 3 * RECORD.size + 1))
def test_a_torn_tail_is_counted_as_lost_and_never_misread(tmp_path: Path, cut: int) -> None:
    whole = block(RECORDS, b"".join(RECORD.pack(AT, 1, 1, p, 0, 0, 0, 1) for p in (1, 2)), 2, RECORD.size)
    tail = block(RECORDS, b"".join(RECORD.pack(AT, 1, 1, p, 0, 0, 0, 1) for p in (3, 4, 5)), 3, RECORD.size)
    path = tmp_path / "torn.spool"
    path.write_bytes(whole + tail[:-cut])
    piece = read(path)
    assert [int(p) for p in piece.batch.records["person"]] == [1, 2]
    assert piece.complete
    assert piece.killed
    expected = 0 if cut == len(tail) else 3 if cut <= len(tail) - HEADER.size else 1
    assert piece.lost == expected
    assert read(path, piece.offset).batch.records.size == 0


@pytest.mark.parametrize("place", [0, 5, 9, 17, 30, 60])
def test_a_flipped_bit_loses_its_block_and_no_other_record_is_made_of_it(tmp_path: Path, place: int) -> None:
    first = bytearray(block(RECORDS, RECORD.pack(AT, 1, 1, 1, 0, 0, 0, 1) * 2, 2, RECORD.size))
    second = block(RECORDS, RECORD.pack(AT, 1, 1, 2, 0, 0, 0, 1), 1, RECORD.size)
    first[place] ^= 4
    path = tmp_path / "bent.spool"
    path.write_bytes(bytes(first) + second)
    piece = read(path)
    assert set(people(path)) <= {2}
    assert piece.lost >= 2
    assert piece.complete


def test_a_damaged_word_is_counted_as_lost_once(tmp_path: Path) -> None:
    word, path = bytearray(block(WORD, b"1 web")), tmp_path / "bent.spool"
    word[-1] ^= 1
    records = block(RECORDS, RECORD.pack(AT, 1, 1, 1, 1, 0, 0, 1), 1, RECORD.size)
    path.write_bytes(bytes(word) + records)
    piece = read(path)
    assert (len(piece.batch), piece.lost) == (1, 1)
    path.write_bytes(bytes(word) + records + records)
    rest = read(path, piece.offset)
    assert (len(rest.batch), rest.lost) == (1, 0)


def test_a_file_that_a_power_cut_made_shorter_than_what_was_read_of_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "short.spool"
    path.write_bytes(block(RECORDS, RECORD.pack(AT, 1, 1, 1, 0, 0, 0, 1), 1, RECORD.size))
    piece = read(path, 10_000)
    assert (len(piece.batch), piece.offset, piece.complete, piece.killed) == (0, 10_000, True, True)


def test_the_tail_of_a_living_process_waits(spool: Spool, only: Only) -> None:
    note(spool, 1)
    spool.flush()
    path, tail = only(), block(RECORDS, RECORD.pack(AT, 1, 1, 2, 0, 0, 0, 1), 1, RECORD.size)
    with path.open("ab") as f:
        f.write(tail[:30])
    piece = read(path)
    assert (people(path), piece.lost, piece.complete) == ([1], 0, False)
    with path.open("ab") as f:
        f.write(tail[30:])
    assert people(path, offset=piece.offset) == [2]


def test_a_forked_child_begins_its_own_file(spool: Spool, tmp_path: Path) -> None:
    note(spool, 1)
    spool.flush()
    note(spool, 2)
    pid = os.fork()
    if pid == 0:
        try:
            note(spool, 3)
            spool.close()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    spool.close()
    files = [people(p) for p in (tmp_path / "spool").glob("*.spool")]
    assert sorted(files) == [[1, 2], [3]]


def test_many_threads_lose_nothing(spool: Spool, only: Only) -> None:
    def work(me: int) -> None:
        for n in range(500):
            note(spool, me * 500 + n)
            if n % 100 == 0:
                spool.flush()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    spool.close()
    assert sorted(people(only())) == list(range(4000))


def test_when_the_disk_refuses_it_is_logged_once_and_nothing_is_lost(
    spool: Spool, tmp_path: Path, only: Only, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    with caplog.at_level(logging.ERROR, "keyun_usage.spool"):
        for person in range(5):
            note(spool, person)
            spool.flush()
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "spool").unlink()
    spool.close()
    assert people(only()) == [0, 1, 2, 3, 4]


def test_a_disk_that_is_full_in_the_middle_of_a_block_leaves_no_half_of_it(
    spool: Spool, only: Only, caplog: pytest.LogCaptureFixture
) -> None:
    note(spool, 1)
    spool.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = only().stat().st_size + 100
    with caplog.at_level(logging.CRITICAL):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            note(spool, *range(2, 50))
            spool.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert people(only()) == [1]
    spool.close()
    assert people(only()) == list(range(1, 50))
    assert read(only()).lost == 0


def test_what_finds_no_room_in_memory_is_counted_as_lost(
    spool: Spool, only: Only, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MOST_HELD", 3)
    note(spool, 1, 2, 3, 4, 5)
    spool.close()
    piece = read(only())
    assert (people(only()), piece.lost) == ([1, 2, 3], 2)


def test_a_file_is_changed_when_it_is_large_and_each_names_its_words(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "ROTATE_BYTES", 200)
    for person in range(6):
        note(spool, person)
        spool.flush()
    spool.close()
    files = sorted((tmp_path / "spool").glob("*.spool"))
    assert len(files) > 1
    batches = [read(p) for p in files]
    assert all(p.complete and not p.killed for p in batches)
    assert all(set(WORDS) <= set(p.batch.words.values()) for p in batches)
    assert sorted(int(r) for p in batches for r in p.batch.records["person"]) == [0, 1, 2, 3, 4, 5]


def test_words_beyond_the_last_number_share_one(spool: Spool, only: Only) -> None:
    for n in range(300):
        spool.note(AT, 1, 1, n, (f"channel-{n}", "browser", "popsci.article"), 1)
    spool.close()
    batch = read(only()).batch
    assert len(batch.records) == 300
    assert int(batch.among("channel", "other").sum()) > 40


def test_something_that_is_no_block_has_no_header() -> None:
    assert header(b"") is None
    assert header(b"x" * 100) is None
