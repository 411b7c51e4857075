"""``keyun plugins new`` and ``keyun plugins check``: for authors of plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from keyun.cli.console import Console, pass_console
from keyun.errors import KeyunError


@click.command()
@click.argument("name")
@click.option("--title", default="", help="Chinese name that people read; made of NAME when left out.")
@click.option("--title-en", default="", help="English name; made of NAME when left out.")
@click.option(
    "--outside",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the distribution keyun-plugin-NAME into this folder.",
)
@pass_console
def new(console: Console, name: str, title: str, title_en: str, outside: Path | None) -> None:
    """Write a new plugin that works at once: pages, API, import, search, a setting, a job, tests.

    Without --outside it becomes a plugin of the repository that the command is run in.
    """
    from keyun.cli import COMMANDS
    from keyun.plugins.declarations import core_names
    from keyun.scaffold import Names, missing_edits, write_bundled, write_distribution

    # Its command group and its importer are called like the plugin.
    if name in COMMANDS or name in core_names()["keyun_importers"]:
        raise KeyunError(f"`keyun {name}` or `keyun import {name}` is the core's; choose another name")
    taken = {n: f"the installed plugin {m.title}" for n, m in console.installation.manifests.items()}
    names = Names.of(name, title, title_en, taken)
    if outside is not None:
        place = write_distribution(names, outside)
        click.echo(f"{place}: written")
        click.echo(f"next: cd {place} && pip install -e '.[test]' && keyun plugins check {name}")
        return
    place = write_bundled(names, Path())
    click.echo(f"{place}: written, its tests are in tests/plugins/{name}")
    click.echo("add to setup.cfg:")
    for where, line in missing_edits(name, Path()):
        click.echo(f"  {where:<36} {line}")
    click.echo(f"then: pip install -e . && keyun plugins check {name}")


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def check(console: Console, name: str, as_json: bool) -> None:
    """Hold the plugin NAME, enabled or not, against the contract; nothing of this site is touched."""
    from keyun.testing.contract import examine

    console.progress(f"checking {name} in a throw-away instance …")
    results = examine(name)
    if as_json:
        console.json([r.as_dict() for r in results])
    else:
        for result in results:
            for line in result.lines():
                click.echo(line)
        failed = sum(r.state == "failed" for r in results)
        skipped = sum(r.state == "skipped" for r in results)
        click.echo(f"{len(results)} checks, {failed} failed, {skipped} not applicable or not run")
    sys.exit(1 if any(r.state == "failed" for r in results) else 0)
