"""Build the application for one set of plugins and say what came of it."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from keyun import logs
from keyun.errors import KeyunError, PluginError

if TYPE_CHECKING:
    from flask import Flask

    from keyun.site import Site

log = logging.getLogger(__name__)
#: How far a trial steps back behind the site that serves: it gets about half of an equal share.
TRIAL_NICENESS = 3
#: A plugin may hang while it is imported; the server waits as long for a candidate.
TRIAL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a set of plugins became; with ``reasons`` nothing was built."""

    plugins: tuple[str, ...] = ()
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def built(self) -> bool:
        """Whether there is an application."""
        return not self.reasons

    @classmethod
    def of(cls, data: Mapping[str, object]) -> Report:
        """The report that travelled as JSON."""
        plugins, faults, reasons = data["plugins"], data["faults"], data["reasons"]
        assert isinstance(plugins, list) and isinstance(faults, dict) and isinstance(reasons, list)
        return cls(tuple(plugins), {n: tuple(p) for n, p in faults.items()}, tuple(reasons))


Built = tuple["Report", "Site | None", "Flask | None"]


def build(instance: Path, enabled: Sequence[str], generation: int) -> Built:
    """Open the instance and build its application; a failure of any kind is a reason in the report."""
    try:
        # Imported here: code that cannot even be imported (half an upgrade) is a reason like any other.
        from sqlalchemy.orm import configure_mappers

        from keyun.app import create_app
        from keyun.runtime import Runtime
        from keyun.site import Site

        site = Site.open(Runtime.open(instance), enabled, generation=generation)
        _require_core_tables(site)
        app = create_app(site)
        configure_mappers()
    except PluginError as e:
        return Report(reasons=tuple(e.problems)), None, None
    except KeyunError as e:
        return Report(reasons=(str(e),)), None, None
    except SQLAlchemyError as e:
        # The record is shown to anybody, so the reason (a file, a host) goes to the log alone.
        log.error("the database cannot be used: %s", e)
        return (
            Report(reasons=("the database cannot be used; see the log and run `keyun doctor`",)),
            None,
            None,
        )
    # Strangers' code may fail in any way; whatever it is, it is told and the old processes serve on.
    except (Exception, SystemExit) as e:
        log.exception("the application cannot be built")
        return Report(reasons=(f"{type(e).__name__}: {e}",)), None, None
    faults = {n: tuple(p) for n, p in site.plugins.faults.items()}
    return Report(tuple(sorted(p.name for p in site.plugins.plugins.values())), faults), site, app


def _require_core_tables(site: Site) -> None:
    from keyun.errors import DatabaseError
    from keyun.migrate import CORE, Migrator

    state = next(s.state for s in Migrator(site.runtime.engine, {}).status() if s.name == CORE)
    if state in ("pending", "absent"):
        raise DatabaseError("core: its tables are not up to date; run `keyun db upgrade`")


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Let processes that answer requests go first while this one builds, where the system knows how."""
    _schedule("SCHED_BATCH")
    try:
        yield
    finally:
        _schedule("SCHED_OTHER")


def _schedule(policy: str) -> None:
    if hasattr(os, policy):
        # Some containers forbid it; building works all the same.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))


def _step_back() -> None:
    """Leave the processors to those who serve: among the processes, and where sessions share them, there."""
    os.nice(TRIAL_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(TRIAL_NICENESS))


def _without_columns(site: Site) -> dict[str, tuple[str, ...]]:
    """What plugins map and the database does not have, by plugin: a migration that somebody forgot."""
    from keyun.migrate import lacking

    found = {p.name: tuple(lacking(site.runtime.engine, p.name)) for p in site.plugins.plugins.values()}
    return {name: problems for name, problems in found.items() if problems}


def trial(instance: Path, enabled: Sequence[str]) -> Report:
    """Build the application for ``enabled`` in a fresh process, which ends; nothing is written."""
    command = [sys.executable, "-m", "keyun.serving.candidate", str(instance), json.dumps(list(enabled))]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, start_new_session=True, timeout=TRIAL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Report(reasons=(f"the trial did not end within {TRIAL_SECONDS:.0f} s; does a plugin wait?",))
    if done.returncode or not done.stdout:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Report(reasons=(f"the trial ended with code {done.returncode}: {last or 'no message'}",))
    return Report.of(json.loads(done.stdout))


def refusals(instance: Path, before: Sequence[str], wanted: Sequence[str], named: Sequence[str]) -> list[str]:
    """Why the change from ``before`` to ``wanted`` must not be written: what it would break.

    A plugin that is faulted already, and is not ``named``, is no reason; the rest can still change.
    """
    after = trial(instance, wanted)
    if after.built and not after.faults.keys() - set(named):
        return [p for problems in after.faults.values() for p in problems]
    known = trial(instance, before)
    if not after.built:
        # Taking something away does not have to wait until what is broken anyway is repaired.
        return list(after.reasons) if known.built or set(wanted) - set(before) else []
    lost = [n for n in after.faults if n in named or n not in known.faults]
    return [p for n in lost for p in after.faults[n]]


def main(instance: str, enabled: str) -> None:
    """The fresh process of :func:`trial`: print the report as JSON on standard output."""
    # What a plugin prints must not stand in the report.
    answer = os.dup(1)
    os.dup2(2, 1)
    logs.configure()
    gc.disable()
    _step_back()
    with in_background():
        report, site, _ = build(Path(instance), json.loads(enabled), 0)
    if site is not None:
        report = replace(report, faults={**report.faults, **_without_columns(site)})
        site.runtime.close()
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(asdict(report), out, ensure_ascii=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
