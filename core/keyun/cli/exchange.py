"""``keyun import``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console

if TYPE_CHECKING:
    from keyun.exchange.types import Importer


@click.command("import")
@click.argument("name", required=False)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--format", "kind", type=click.Choice(["csv", "xlsx", "jsonl"]), help="When the ending does not tell."
)
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
