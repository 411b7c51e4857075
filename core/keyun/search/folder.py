"""Where indexes lie: a folder for each build, a pointer to the one that answers, and two locks.

The pointer is replaced in one step, so a reader sees the old index or the new one. The locks are
``flock``: the kernel gives them back when their process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from keyun.search.port import IndexBusy

POINTER = "current"
WRITE, BUILD = "write.lock", "build.lock"
#: How long a writer waits for another one; an update takes well below a second.
PATIENCE = 10.0
POLL = 0.05
BUILT = re.compile(r"[0-9a-f]{12}")
#: A mark that a reader leaves in an index that failed it; the worker looks into it.
FAILED = "failed"


class Folder:
    """The folder of all indexes of one instance."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.path = path
        self.patience = patience

    def current(self) -> Path | None:
        """The index that answers; None when none was built or the pointer is damaged."""
        try:
            name = (self.path / POINTER).read_text(encoding="ascii")
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None
        return self.path / name if BUILT.fullmatch(name) else None

    def state(self, index: Path) -> tuple[tuple[str, int, int], ...]:
        """Names, sizes and times of the files of ``index``: what differs after anybody touched them."""
        found = []
        for entry in os.scandir(index):
            # A writer removes what it has merged while we look.
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat()
                found.append((entry.name, about.st_size, about.st_mtime_ns))
        return tuple(sorted(found))

    def begin(self) -> Path:
        """Make an empty folder for a new index. Leftovers of builds that ended early are removed."""
        self._remove_others(self.current())
        place = self.path / uuid.uuid4().hex[:12]
        place.mkdir(parents=True)
        return place

    def switch(self, index: Path) -> None:
        """Let ``index`` answer from now on. Processes that have the old one open keep its files."""
        temporary = self.path / f".{POINTER}-{index.name}"
        with temporary.open("w", encoding="ascii") as f:
            f.write(index.name)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, self.path / POINTER)
        self._remove_others(index)

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Hold the right to write to the index that answers.

        :raises IndexBusy: when another writer keeps it.
        """
        return self._locked(
            WRITE,
            self.patience,
            "搜索索引正在更新，请稍后再试。 (Another process writes the search index; try again.)",
        )

    def building(self) -> contextlib.AbstractContextManager[None]:
        """Hold the right to build a new index.

        :raises IndexBusy: at once when another process is building.
        """
        return self._locked(
            BUILD,
            0.0,
            "搜索索引正在重建，请等它完成。 (Another process is building the search index; wait for it.)",
        )

    @contextlib.contextmanager
    def _locked(self, name: str, patience: float, refusal: str) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / name).open("w", encoding="ascii") as f:
            until = time.monotonic() + patience
            while not _take(f.fileno()):
                if time.monotonic() >= until:
                    raise IndexBusy(refusal)
                time.sleep(POLL)
            yield

    def _remove_others(self, keep: Path | None) -> None:
        for old in self.path.iterdir():
            if BUILT.fullmatch(old.name) and old != keep:
                shutil.rmtree(old, ignore_errors=True)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
