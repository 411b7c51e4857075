"""Keep the tables and classes of one plugin from breaking those of all others.

SQLAlchemy configures all mapped classes of a process together: one ``relationship()`` to nothing makes
every query fail. So each plugin is imported inside :func:`trial`; what it leaves behind when it fails
is set aside, as if it had never been imported.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import EXT_SKIP, Mapper

from keyun.db import Model

Identities = Mapping[Mapper[Any], Mapping[Any, Mapper[Any]]]
log = logging.getLogger(__name__)
#: Attribute of a mapped class that this process does not configure or ask any more.
SET_ASIDE = "keyun_set_aside"


class Fault(Exception):
    """Why a plugin stays out, as a sentence."""


def configure_core() -> None:
    """Configure the classes of the core, so that nothing a plugin brings is looked at for them."""
    import keyun.models  # noqa: F401

    if not sa.event.contains(Model, "before_mapper_configured", _skip):
        sa.event.listen(Model, "before_mapper_configured", _skip, retval=True, propagate=True)
    Model.registry.configure()


def _skip(_mapper: Mapper[Any], cls: type) -> Any:
    return EXT_SKIP if hasattr(cls, SET_ASIDE) else None


def trial(package: str, prefixes: Collection[str], work: Callable[[], None]) -> None:
    """Do ``work``, which imports something of ``package``, and configure what it maps.

    New tables are named with one of ``prefixes``, and their foreign keys lead somewhere.

    :raises Fault: when that fails; what came into the process with it is set aside then.
    """
    before = _Snapshot.take()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            # Two plugins for one slot have the same types; which of them counts is said by `claim`.
            warnings.filterwarnings("ignore", "Reassigning polymorphic association")
            warnings.filterwarnings("ignore", "This declarative base already contains a class")
            work()
            Model.registry.configure()
            before.check_tables(prefixes)
    except KeyboardInterrupt:
        raise
    except Fault as e:
        log.error("%s cannot be loaded: %s", package, e)
        problem = str(e)
    # A stranger's code may fail in any way, and may call exit(); it is named, and the rest serves.
    except BaseException as e:
        log.exception("%s cannot be loaded", package)
        problem = describe(e, package)
    else:
        before.restore_names()
        return
    # Only here, where the error and the frames that hold the classes are gone.
    before.restore(package)
    raise Fault(problem)


def describe(error: BaseException, package: str = "") -> str:
    """``error`` in one line, with the last place in ``package`` it came through; a fault is a sentence."""
    text = " ".join(str(error).split())
    if isinstance(error, Fault):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    mine = [f for f in frames if package and package in Path(f.filename).parts]
    # The text of a syntax error says already where it stands.
    if mine and not isinstance(error, SyntaxError):
        file = Path(mine[-1].filename)
        text += f" ({'/'.join(file.parts[file.parts.index(package) :])}, line {mine[-1].lineno})"
    return f"{type(error).__name__}: {text}".rstrip(": ")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is mapped and imported at one moment."""

    mappers: frozenset[Mapper[Any]]
    properties: Mapping[Mapper[Any], frozenset[str]]
    dependencies: Mapping[Mapper[Any], list[Any]]
    heirs: Mapping[Mapper[Any], list[Mapper[Any]]]
    tables: frozenset[str]
    names: Mapping[str, Any]
    identities: Identities
    modules: frozenset[str]

    @classmethod
    def take(cls) -> _Snapshot:
        mappers = frozenset(_mappers())
        return cls(
            mappers,
            {m: frozenset(m._props) for m in mappers},
            {m: list(m._dependency_processors) for m in mappers},
            {m: list(m._inheriting_mappers) for m in mappers},
            frozenset(Model.metadata.tables),
            dict(Model.class_names),
            {m: dict(m.polymorphic_map) for m in mappers},
            frozenset(sys.modules),
        )

    def restore(self, package: str) -> None:
        """Take back what came since: classes, tables, types, names, and the modules that brought them."""
        new = _mappers() - self.mappers
        for mapper in new:
            setattr(mapper.class_, SET_ASIDE, True)
        packages = {package, *(m.class_.__module__.partition(".")[0] for m in new)} - {"keyun"}
        for name in set(sys.modules) - self.modules:
            if name.partition(".")[0] in packages:
                del sys.modules[name]
        for table in [t for n, t in Model.metadata.tables.items() if n not in self.tables]:
            Model.metadata.remove(table)
        for mapper, identities in self.identities.items():
            mapper.polymorphic_map.clear()
            mapper.polymorphic_map.update(identities)
        for mapper, properties in self.properties.items():
            _take_back(mapper, set(mapper._props) - properties)
            mapper._dependency_processors[:] = self.dependencies[mapper]
            mapper._inheriting_mappers = type(mapper._inheriting_mappers)(self.heirs[mapper])
            mapper._expire_memoizations()
        for name in set(Model.class_names) - set(self.names):
            del Model.class_names[name]
        self.restore_names()
        del new
        gc.collect()
        Model.registry.configure()

    def check_tables(self, prefixes: Collection[str]) -> None:
        """Look at the tables that came since.

        :raises Fault: when one is named like somebody else's, or points to nothing.
        """
        for name, table in Model.metadata.tables.items():
            if name in self.tables:
                continue
            if not name.startswith(tuple(f"{p}_" for p in prefixes)):
                raise Fault(f"table {name} must be named {' or '.join(f'{p}_…' for p in sorted(prefixes))}")
            for key in table.foreign_keys:
                try:
                    _ = key.column
                except sa.exc.NoReferenceError as e:
                    raise Fault(f"table {name}: {e}") from None

    def restore_names(self) -> None:
        """Let a name that was known stay what it was, for ``relationship("User")`` of the next plugin."""
        Model.class_names.update(self.names)


def _mappers() -> set[Mapper[Any]]:
    """The mappers of all classes; ``registry.mappers`` fails on a class that was mapped half-way."""
    classes, found = [Model], set()
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        if mapper := vars(cls).get("__mapper__"):
            found.add(mapper)
    return found


def _take_back(mapper: Mapper[Any], names: Collection[str]) -> None:
    """Remove the properties that a backref hung on somebody else's class; SQLAlchemy offers no way to."""
    for name in names:
        if name in vars(mapper.class_):
            # It refuses to delete what is mapped, and deletes anything else.
            setattr(mapper.class_, name, None)
            mapper.class_manager.uninstrument_attribute(name)  # type: ignore[no-untyped-call]
        del mapper._props[name]


def mapped(packages: Iterable[str]) -> list[Mapper[Any]]:
    """The mappers of the classes in ``packages``, without those that were set aside."""
    wanted = set(packages)
    return [
        m
        for m in _mappers()
        if m.class_.__module__.partition(".")[0] in wanted and not hasattr(m.class_, SET_ASIDE)
    ]


def claim(owner: str, packages: Iterable[str], claimed: dict[tuple[str, Any], str]) -> None:
    """Make the classes in ``packages`` those that rows of their types become.

    :raises Fault: when a type belongs to the core or to a plugin that loaded before.
    """
    for mapper in mapped(packages):
        base, identity = mapper.base_mapper, mapper.polymorphic_identity
        if identity is None:
            continue
        other = claimed.setdefault((base.class_.__name__, identity), owner)
        if other != owner:
            raise Fault(f"{mapper.class_.__name__} takes the type {identity!r}, which belongs to {other}")
        mapper.polymorphic_map[identity] = mapper
