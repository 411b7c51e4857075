"""What one site does with one broken plugin; each plugin is tried in a process of its own.

``python isolation_probe.py INSTANCE PLUGIN…`` prints one JSON object a line. The processes are forks of
one that has imported the core and the bundled plugins, and enabled none.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import with_polymorphic

from keyun.access import system
from keyun.app import create_app
from keyun.content import Content, create, publish, withdraw
from keyun.jobs import JobRow, Worker
from keyun.plugins.manifest import installed
from keyun.runtime import Runtime
from keyun.site import Site

BROKEN = Path(__file__).parents[2] / "plugins_broken"
BUNDLED = ("bayu_bridge", "emergency", "marketplace", "notices", "popsci", "usage")
PAGES = ("/", "/marketplace/", "/popsci/", "/search?q=水稻", "/login", "/api/v1/openapi.json")
ARTICLE = {
    "title": "水稻的一生", "body": "水稻。", "region": "510000", "category": "agriculture",
    "source": "教材", "voucher": "农技站",
}  # fmt: skip


def main() -> None:
    instance, plugins = Path(sys.argv[1]), sys.argv[2:]
    for manifest in installed()[0].values():
        import_module(manifest.entry_point.module)
    for name in plugins:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                report = look(instance, name)
            except BaseException:
                report = {"crashed": traceback.format_exc()}
            os.write(writer, json.dumps(report).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as f:
            found = f.read()
        os.waitpid(child, 0)
        print(json.dumps({name: json.loads(found or "null")}), flush=True)


def look(instance: Path, names: str) -> dict[str, Any]:
    """Open a site with the bundled plugins and ``names`` (joined by +), and use it."""
    extra = names.split("+")
    sys.path[:0] = [str(BROKEN / name) for name in extra]
    printed, said = io.StringIO(), _Said()
    logging.getLogger().addHandler(said)
    with contextlib.redirect_stdout(printed):
        site = Site.open(Runtime.open(instance, {}), enabled=[*extra, *BUNDLED])
        app = create_app(site)
    client = app.test_client()
    report: dict[str, Any] = {
        "printed": printed.getvalue(),
        "active": sorted(p.name for p in site.plugins.plugins.values()),
        "faults": site.plugins.faults,
        "pending": sorted(site.plugins.pending),
        "pages": {page: client.get(page).status_code for page in PAGES},
        "readyz": client.get("/readyz").get_json(),
    }
    report["home"] = client.get("/").get_data(as_text=True)
    report["login"] = site.plugins.authenticate("nobody", "nothing")
    report["channels"] = sorted(site.plugins.message_channels())
    report["content"] = _use(site)
    report["jobs"] = _work(site)
    report["log"] = said.lines
    return report


class _Said(logging.Handler):
    """The log lines of this process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _use(site: Site) -> dict[str, Any]:
    """Write, read and list content of a bundled plugin in every way the core does."""
    kind = site.content_type("popsci.article")
    with site.writing() as unit:
        item = create(system(), unit, kind, ARTICLE)
        publish(system(), unit, item)
        public_id = item.public_id
    with site.reading() as unit:
        found = unit.session.scalars(sa.select(Content)).all()
        every = unit.session.scalars(sa.select(with_polymorphic(Content, "*"))).all()
        one = unit.session.scalars(sa.select(kind.model).where(kind.model.public_id == public_id)).one()
        report = {
            "classes": sorted({f"{type(c).__module__}.{type(c).__name__}" for c in [*found, *every]}),
            "same": {c.id for c in found} == {c.id for c in every},
            "state": one.state,
            "owner": str(one.owner),
        }
    with site.writing() as unit:
        withdraw(system(), unit, unit.session.get_one(kind.model, one.id))
    return report


def _work(site: Site) -> dict[str, list[str]]:
    """Run what is due; returns the jobs that did not end well, with the last line of their error."""
    strange = [name for name in site.jobs if name.partition(".")[0] not in (*BUNDLED, "core")]
    with site.writing() as unit:
        for name in strange:
            unit.enqueue(name)
    Worker(site).drain()
    with site.reading() as unit:
        rows = unit.session.scalars(sa.select(JobRow).where(JobRow.state != "done")).all()
        bad = {r.name: [r.state, (r.error or "").strip().splitlines()[-1]] for r in rows}
    with site.writing() as unit:
        unit.session.execute(sa.delete(JobRow))
    return bad


if __name__ == "__main__":
    main()
