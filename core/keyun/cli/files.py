"""``keyun files``: whether everything that content shows lies in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import click

from keyun.cli.console import Console, Group, pass_console
from keyun.errors import Invalid
from keyun.site import Site


@click.group(cls=Group)
def files() -> None:
    """Look after pictures and documents of content."""


@files.command()
@click.option("--quick", is_flag=True, help="Compare names and sizes only, and read no file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def verify(console: Console, quick: bool, as_json: bool) -> None:
    """Compare the store with the database; exit 1 when a file is missing or differs.

    What nobody shows is no damage: the worker sweeps it after a day.
    """
    from keyun.files.services import stored
    from keyun.files.store import store

    with console.site.reading() as unit:
        expected = {f.digest: f.size for f in stored(unit).values()}
    lying = set(store(console.runtime).names())
    missing = sorted(expected.keys() - lying)
    damaged = sorted(_damaged(console.site, {d: s for d, s in expected.items() if d in lying}, quick))
    unknown = sorted(n for n in lying if n.partition(".")[0] not in expected)
    if as_json:
        console.json(
            {"healthy": not (missing or damaged), "files": len(expected), "missing": missing,
             "damaged": damaged, "unknown": unknown}
        )  # fmt: skip
    else:
        counts = f"missing {len(missing)}, damaged {len(damaged)}, not shown by anything {len(unknown)}"
        click.echo(f"{len(expected)} files; {counts}")
        for digest in (*missing, *damaged)[:20]:
            click.echo(f"  {digest}")
    if missing or damaged:
        raise Invalid("files of content are missing or damaged; bring them back from the backup")


def _damaged(site: Site, expected: dict[str, int], quick: bool) -> Iterator[str]:
    from keyun.files.store import CHUNK, store

    place = store(site.runtime)
    for digest, size in expected.items():
        if place.size(digest) != size:
            yield digest
        elif not quick:
            found = hashlib.sha256()
            with place.open(digest) as file:
                while chunk := file.read(CHUNK):
                    found.update(chunk)
            if found.hexdigest() != digest:
                yield digest
