"""``plugins.toml``: which plugins this instance runs. A file, so that it works before the database."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyun.errors import ConfigError

HEADER = "# Written by `keyun plugins enable|disable`. The order only breaks ties.\n"
#: How a file that a killed writer left behind begins.
TEMPORARY = ".plugins-"


@dataclass(frozen=True, slots=True)
class State:
    """The enabled plugins and the number of the change that made them so."""

    enabled: tuple[str, ...] = ()
    generation: int = 0


def load(path: Path) -> State:
    """Read the state; a missing file means that nothing is enabled.

    :raises ConfigError: when the file is damaged or may not be read, naming it and the way out.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return State()
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}; run this as the account that owns it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path}: {e}; correct it by hand or delete it and enable plugins again") from None
    enabled, generation = data.get("enabled", []), data.get("generation", 0)
    if not isinstance(enabled, list) or not all(isinstance(n, str) for n in enabled):
        raise ConfigError(f"{path}: enabled must be a list of plugin names; correct it by hand")
    if not isinstance(generation, int):
        raise ConfigError(f"{path}: generation must be a number; correct it by hand")
    return State(tuple(dict.fromkeys(enabled)), generation)


def save(path: Path, enabled: Sequence[str]) -> State:
    """Write the next generation in one step; a crash leaves the old file or the new one."""
    new = State(tuple(dict.fromkeys(enabled)), load(path).generation + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_behind in path.parent.glob(f"{TEMPORARY}*"):
        left_behind.unlink(missing_ok=True)
    body = f"{HEADER}generation = {new.generation}\nenabled = {json.dumps(list(new.enabled))}\n"
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(body)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)
    _keep_name(path.parent)
    return new


def _keep_name(folder: Path) -> None:
    """Make a renamed file outlast a loss of power."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the state for one administrator at a time, across processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
