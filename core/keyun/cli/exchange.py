"""``keyun import`` and ``keyun export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console

if TYPE_CHECKING:
    from keyun.exchange.types import Exporter, Importer


FORMAT = click.option(
    "--format", "kind", type=click.Choice(["csv", "xlsx", "jsonl"]), help="When the ending does not tell."
)


@click.command("import")
@click.argument("name", required=False)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@FORMAT
@click.option(
    "--errors",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused rows go; FILE.errors.csv.",
)
@click.option("--dry-run", is_flag=True, help="Check every row, against the database too, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@pass_console
def import_(
    console: Console,
    name: str | None,
    file: Path | None,
    kind: str | None,
    errors: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FILE as NAME (organizations, users, offers …); without arguments list what can be imported.

    Rows are known by external_id: importing again changes them. Refused rows go to a file with the
    reasons; correct it and import it alone. Exit 1 when rows were refused; the others are in.
    """
    from keyun.exchange import run

    importers = console.site.importers
    if name is None:
        _list(console, importers, as_json)
        return
    if name not in importers:
        known = ", ".join(sorted(importers))
        raise click.UsageError(f"nothing called {name!r} can be imported; known: {known}")
    if file is None:
        raise click.UsageError(f"name the file to import as {name}")
    target = errors or file.with_name(file.name + ".errors.csv")
    report = run(
        console.site,
        importers[name],
        file,
        system(),
        errors_path=target,
        progress=console.progress,
        dry_run=dry_run,
        kind=kind,
    )
    if as_json:
        console.json({**asdict(report), "dry_run": dry_run, "errors": str(target) if report.failed else None})
    else:
        rate = report.read / report.seconds if report.seconds else 0
        click.echo(
            f"{name}{' (dry run, nothing written)' if dry_run else ''}: {report.read:,} read, "
            f"{report.created:,} created, {report.changed:,} changed, {report.failed:,} refused, "
            f"{report.seconds:.1f} s, {rate:,.0f} rows/s"
        )
    if report.failed:
        console.progress(f"refused rows and their reasons: {target}")
        console.progress(f"correct them there and run: keyun import {name} {target}")
        raise SystemExit(1)


def _list(console: Console, importers: Mapping[str, Importer], as_json: bool) -> None:
    from keyun.exchange.columns import describe

    rows = [
        {"name": i.name, "title": i.title, "key": i.key, "columns": list(i.schema().fields)}
        for i in importers.values()
    ]
    if as_json:
        console.json(rows)
        return
    for importer in importers.values():
        click.echo(f"{importer.name}  {importer.title}\n    {describe(importer.schema())}")
    click.echo("A star marks what every row needs. Columns may be headed by name or by label.")


@click.command()
@click.argument("name", required=False)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@FORMAT
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@pass_console
def export(console: Console, name: str | None, file: Path | None, kind: str | None, as_json: bool) -> None:
    """Export NAME (organizations, users, articles …) into FILE; without arguments list what there is.

    The columns are those that `keyun import NAME` reads, so the file can be imported again, here or
    elsewhere. FILE is written whole or not at all; only your account can read it.
    """
    from keyun.exchange import write

    exporters = console.site.exporters
    if name is None:
        _list_exporters(console, exporters, as_json)
        return
    if name not in exporters:
        known = ", ".join(sorted(exporters))
        raise click.UsageError(f"nothing called {name!r} can be exported; known: {known}")
    if file is None:
        raise click.UsageError(f"name the file to export {name} to")
    exporter = exporters[name]
    count = write(console.site, exporter, file, system(), kind=kind, progress=console.progress)
    if as_json:
        console.json({"name": name, "file": str(file), "records": count, "personal": exporter.personal})
    else:
        click.echo(f"{name}: {count:,} records in {file}")
    if exporter.note:
        console.progress(f"{name}: {exporter.note}")
    if exporter.personal:
        columns = ", ".join(exporter.personal)
        console.progress(f"{name}: {columns} hold personal data; keep {file} safe and delete it after use")


def _list_exporters(console: Console, exporters: Mapping[str, Exporter], as_json: bool) -> None:
    from keyun.exchange.columns import describe

    if as_json:
        rows = [
            {"name": e.name, "title": e.title, "columns": list(e.schema().fields), "personal": e.personal}
            for e in exporters.values()
        ]
        console.json(rows)
        return
    for exporter in exporters.values():
        click.echo(f"{exporter.name}  {exporter.title}\n    {describe(exporter.schema())}")
