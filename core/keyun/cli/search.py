"""``keyun search`` and ``keyun index``."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from keyun.access import anonymous
from keyun.cli.console import Console, Group, pass_console
from keyun.errors import Invalid, KeyunError

if TYPE_CHECKING:
    from keyun.search import Found, Page


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--type", "kind", help="A content type such as marketplace.offer.")
@click.option("--region", help="Six-digit code; its subtree matches.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def search(
    console: Console, words: tuple[str, ...], kind: str | None, region: str | None, limit: int, as_json: bool
) -> None:
    """Search what is published. Matches are coloured on a terminal and marked with 【】 elsewhere."""
    from keyun.search import Query
    from keyun.search import search as find

    try:
        _check(console, kind, region)
        with console.site.reading() as unit:
            found = find(anonymous(), unit, Query(" ".join(words), (kind,) if kind else (), region, 0, limit))
            rows = _rows(console, found)
        if not found.page.ready:
            raise Invalid("there is no search index yet; start a worker or run `keyun index rebuild`")
    except KeyunError as e:
        click.echo(f"keyun: {e}", err=True)
        sys.exit(1)
    if as_json:
        console.json(
            {
                "total": found.page.total, "partial": found.page.partial, "dropped": list(found.page.dropped),
                "items": rows,
            }
        )  # fmt: skip
    else:
        _table(found.page, rows)


def _check(console: Console, kind: str | None, region: str | None) -> None:
    sources = console.site.sources
    if kind and kind not in sources:
        known = ", ".join(sources) or "none; enable a plugin"
        raise Invalid(f"no searchable type {kind}; there are: {known}")
    if region and region not in console.site.regions:
        raise Invalid(f"no region {region}; give a six-digit code, see `keyun regions`")


def _rows(console: Console, found: Found) -> list[dict[str, Any]]:
    return [
        {
            "id": item.public_id, "type": item.type, "title": item.title, "region": item.region,
            "place": console.site.regions.name(item.region), "score": round(hit.score, 4),
            "marked": _marked(hit.title), "snippet": _marked(hit.snippet),
        }
        for hit, item in found.items
    ]  # fmt: skip


def _table(page: Page, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(f"{row['marked']}  [{row['type']}]  {row['place']}")
        click.echo(f"    {row['snippet']}")
    notes = [f"{len(rows)} of {page.total}"] if rows else ["nothing found; try fewer words"]
    notes += ["no item has all the words"] if page.partial and rows else []
    notes += [f"left out: {' '.join(page.dropped)}"] if page.dropped else []
    click.echo("; ".join(notes), err=True)


def _marked(parts: Sequence[tuple[str, bool]]) -> str:
    terminal = sys.stdout.isatty()
    marked = []
    for text, hit in parts:
        # Somebody's text must not steer the operator's terminal.
        text = "".join(c if unicodedata.category(c) not in ("Cc", "Cf") else " " for c in text)
        marked.append(text if not hit else click.style(text, fg="yellow") if terminal else f"【{text}】")
    return "".join(marked)


@click.group(cls=Group)
def index() -> None:
    """Rebuild or verify the search index."""


@index.command()
@pass_console
def rebuild(console: Console) -> None:
    """Build the index anew from the database. The old one answers until the new one is ready."""
    from keyun.search import rebuild as build

    click.echo(f"{build(console.site)} items indexed")


@index.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def verify(console: Console, as_json: bool) -> None:
    """Compare the index with the database; exit 1 when a search would not find exactly what is public."""
    from keyun.search import verify as compare

    report = compare(console.site)
    if as_json:
        console.json({"healthy": report.healthy, "damaged": report.damaged, **asdict(report)})
    else:
        click.echo(
            f"{report.expected} items public; missing {len(report.missing)}, outdated {len(report.stale)}, "
            f"no longer public {len(report.extra)}; behind {len(report.behind)}, unread events {report.lag}"
        )
    if report.damaged:
        raise Invalid("the index differs from the database; run `keyun index rebuild`")
    if not report.healthy:
        raise Invalid(
            f"the index is behind by {report.lag} events, nothing is lost; a worker reads them: "
            "`keyun serve`, `keyun worker`, or once and now `keyun jobs run`"
        )
