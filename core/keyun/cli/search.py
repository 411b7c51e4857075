"""``keyun search`` and ``keyun index``."""

from __future__ import annotations

from dataclasses import asdict

import click

from keyun.access import anonymous
from keyun.cli.console import Console, Group, pass_console
from keyun.errors import Invalid


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--type", "kind", help="A content type such as marketplace.offer.")
@click.option("--region", help="Six-digit code; its subtree matches.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True)
@pass_console
def search(
    console: Console, words: tuple[str, ...], kind: str | None, region: str | None, limit: int, as_json: bool
) -> None:
    """Search what is published; matches are marked with 【】."""
    from keyun.search import Query
    from keyun.search import search as find

    query = Query(" ".join(words), (kind,) if kind else (), region, 0, limit)
    with console.site.reading() as unit:
        found = find(anonymous(), unit, query)
        rows = [
            {"id": c.public_id, "type": c.type, "title": c.title, "region": c.region, "score": h.score,
             "marked": _marked(h.title), "snippet": _marked(h.snippet)}
            for h, c in found.items
        ]  # fmt: skip
    if as_json:
        console.json({"total": found.page.total, "items": rows})
        return
    if not rows:
        click.echo("nothing found; try fewer words, or `keyun index verify`")
    for r in rows:
        click.echo(f"{r['marked']}  [{r['type']}] {console.site.regions.name(str(r['region'] or ''))}")
        click.echo(f"    {r['snippet']}")


def _marked(parts: object) -> str:
    return "".join(f"【{text}】" if hit else text for text, hit in parts)  # type: ignore[attr-defined]


@click.group(cls=Group)
def index() -> None:
    """Rebuild or verify the search index."""


@index.command()
@pass_console
def rebuild(console: Console) -> None:
    """Build the index anew from the database; readers change over at once."""
    from keyun.search import rebuild as build

    click.echo(f"{build(console.site)} items indexed")


@index.command()
@click.option("--json", "as_json", is_flag=True)
@pass_console
def verify(console: Console, as_json: bool) -> None:
    """Compare the index with the database; exit 1 when a search would not find what is public."""
    from keyun.search import verify as compare

    report = compare(console.site)
    if as_json:
        console.json(asdict(report))
    else:
        click.echo(
            f"{report.expected} items; missing {len(report.missing)}, outdated {len(report.stale)}, "
            f"no longer public {len(report.extra)}, unread events {report.lag}"
        )
    if not report.healthy and report.lag:
        raise Invalid("the index is behind; a worker brings it up to date (`keyun serve` or `keyun worker`)")
    if not report.healthy:
        raise Invalid("the index differs from the database; run `keyun index rebuild`")
