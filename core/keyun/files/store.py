"""Where files lie: a folder of the instance, or what fsspec reaches. Names are digests, none is a path."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import fsspec

if TYPE_CHECKING:
    from keyun.runtime import Runtime

FOLDER = "files"
CHUNK = 1 << 16
NAME = re.compile(r"[0-9a-f]{64}(\.[a-z]+)?")


class Store:
    """Files by digest; a smaller picture has the digest of its original and the name of its size."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(url, **options)

    def put(self, name: str, source: IO[bytes]) -> None:
        """Keep ``source`` as ``name``: it is there whole, or not at all."""
        path = self._path(name)
        part = f"{path}.{uuid.uuid4().hex}.part"
        self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        source.seek(0)
        with self.fs.open(part, "wb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
            target.flush()
            _to_disk(target)
        self.fs.mv(part, path)

    def open(self, name: str) -> IO[bytes]:
        """The bytes of ``name``.

        :raises FileNotFoundError: when it is not there.
        """
        found: IO[bytes] = self.fs.open(self._path(name), "rb")
        return found

    def size(self, name: str) -> int | None:
        """How many bytes ``name`` has; None when it is not there."""
        try:
            return int(self.fs.info(self._path(name))["size"])
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Drop ``name``; what is not there is dropped already."""
        try:
            self.fs.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def names(self) -> Iterator[str]:
        """The names of everything that lies here."""
        if self.fs.exists(self.root):
            self.fs.invalidate_cache()
            yield from (path.rpartition("/")[2] for path in self.fs.find(self.root))

    def _path(self, name: str) -> str:
        if NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name in the store")
        return f"{self.root.rstrip('/')}/{name[:2]}/{name}"


def _to_disk(target: Any) -> None:
    """Have a local file on the disk before a row speaks of it; remote stores answer when they have it."""
    try:
        number = target.fileno()
    except (OSError, AttributeError, NotImplementedError):
        return
    os.fsync(number)


def store(runtime: Runtime) -> Store:
    """The store of this instance."""
    settings = runtime.config.files

    def make() -> Store:
        folder = (runtime.instance / FOLDER).resolve()
        return Store(settings["url"] or f"file://{folder}", dict(settings["options"]))

    return runtime.derived("files.store", make)
