"""``keyun import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console
from keyun.errors import NotFound


@click.command("import")
@click.argument("name", required=False)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--format", "kind", type=click.Choice(["csv", "xlsx", "jsonl"]), help="When the ending does not tell.")
@click.option("--errors", type=click.Path(path_type=Path), help="Where refused rows go; default FILE.errors.csv.")
@click.option("--dry-run", is_flag=True, help="Validate only; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@pass_console
def import_(
    console: Console, name: str | None, file: Path | None, kind: str | None, errors: Path | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Import FILE as NAME (organizations, users, offers …); without arguments list what can be imported.

    Rows are known by external_id: importing again changes them. Refused rows go to a file with the
    reasons; correct it and import it alone. Exit 1 when rows were refused; the others are in.
    """
    from keyun.exchange import run

    importers = console.site.importers
    if name is None or file is None:
        for importer in importers.values():
            click.echo(f"{importer.name:<15} {importer.title}: {', '.join(importer.schema().fields)}")
        return
    if name not in importers:
        raise NotFound(f"nothing called {name!r} can be imported; known: {', '.join(importers)}")
    target = errors or file.with_name(file.name + ".errors.csv")
    report = run(
        console.site, importers[name], file, system(), errors_path=target, progress=console.progress,
        dry_run=dry_run, kind=kind,
    )
    if as_json:
        console.json(asdict(report))
    else:
        word = "checked" if dry_run else "read"
        click.echo(
            f"{name}: {report.read} {word}, {report.created} created, {report.changed} changed, "
            f"{report.failed} refused, {report.seconds:.1f} s"
        )
        for note in report.notes:
            click.echo(note, err=True)
    if report.failed:
        click.echo(f"refused rows and their reasons: {target}", err=True)
        raise SystemExit(1)
