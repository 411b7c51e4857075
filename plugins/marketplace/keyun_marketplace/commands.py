"""``keyun marketplace``: match from the command line, evaluate, look after the match index."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun.content import find
from keyun.errors import Invalid
from keyun_marketplace import matchmaking
from keyun_marketplace.matchmaking import Matched
from keyun_marketplace.models import Need
from keyun_marketplace.scoring import Found


def commands() -> Iterable[click.Command]:
    """The commands of the group."""
    return (match, evaluate, index)


@click.command()
@click.argument("need", required=False)
@click.option("--text", help="Match this sentence instead of a stored need.")
@click.option("--region", help="Six-digit code that near offers are preferred for (with --text).")
@click.option("--top", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def match(
    console: Console, need: str | None, text: str | None, region: str | None, top: int, as_json: bool
) -> None:
    """Show the offers and people that fit NEED (its public or external id) or a sentence, and why."""
    if (need is None) == (text is None):
        raise click.UsageError("give either NEED or --text")
    with console.site.reading() as unit:
        if text is not None:
            matched = matchmaking.match_text(system(), unit, text, region, top)
            subject: dict[str, Any] = {"text": text, "region": region}
        else:
            item = matchmaking.find_need(unit, need or "") or find(system(), unit, Need, need or "")
            matched = matchmaking.match_item(system(), unit, item, top)
            subject = {"id": item.public_id, "title": item.title, "region": item.region}
    if as_json:
        console.json(to_json(subject, matched, top))
        return
    if matched.reason:
        click.echo(matched.reason)
    for rank, found in enumerate(matched.ranked[:top], 1):
        _print(rank, found)


def to_json(subject: dict[str, Any], matched: Matched, top: int) -> dict[str, Any]:
    """What programs get: the need and its matches, each part with its reason."""
    return {
        "need": subject,
        "matches": [
            {
                "kind": f.kind,
                "id": f.public_id,
                "title": f.title,
                "score": f.score,
                "parts": [{"name": p.name, "value": p.value, "why": p.why("zh")} for p in f.parts],
            }
            for f in matched.ranked[:top]
        ],
    }


def _print(rank: int, found: Found) -> None:
    kind = "科技所能" if found.kind == "offer" else "科技工作者"
    click.echo(f"{rank:>2}. {found.score:7.2f}  [{kind}] {found.title}  {found.public_id}")
    for part in found.parts:
        click.echo(f"      {part.value:+7.2f}  {part.why('zh')}")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--discipline", type=click.Choice(["declared", "predicted", "none"]), help="Default: declared if there."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def evaluate(console: Console, folder: Path, discipline: str | None, as_json: bool) -> None:
    """Measure the engine and plain Whoosh BM25 on the labelled set in FOLDER, in one run.

    FOLDER holds offers.jsonl, needs.jsonl and qrels.tsv. No database is read or written.
    """
    from keyun_marketplace.matching.evaluate import EvaluationError
    from keyun_marketplace.matching.evaluate import evaluate as run

    try:
        result = run(folder, discipline, progress=console.progress)
    except EvaluationError as e:
        raise Invalid(str(e)) from e
    if as_json:
        console.json(result)
        return
    click.echo(
        f"{result['needs']} needs, {result['offers']} offers, discipline {discipline or 'as the set has it'}"
    )
    click.echo(f"{'':<10}{'nDCG@10':>9}{'MRR@10':>9}{'R@20':>9}{'ms p50':>9}{'ms p99':>9}")
    for name in ("engine", "baseline"):
        row = result[name]
        click.echo(
            f"{row.get('name', 'keyun'):<10}{row['ndcg@10']:>9.4f}{row['mrr@10']:>9.4f}"
            f"{row['recall@20']:>9.4f}{row['ms_p50']:>9.2f}{row['ms_p99']:>9.2f}"
        )


@click.group(cls=Group)
def index() -> None:
    """Rebuild or verify the match index."""


@index.command()
@pass_console
def rebuild(console: Console) -> None:
    """Build the match index anew from the database; running processes change over at once."""
    for name, size in matchmaking.rebuild(console.site, console.progress).items():
        click.echo(f"{name}: {size} records")


@index.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def verify(console: Console, as_json: bool) -> None:
    """Compare the match index with the database; exit 1 when something is missing or stale."""
    reports = matchmaking.verify(console.site)
    if as_json:
        console.json(reports)
    else:
        for name, report in reports.items():
            click.echo(f"{name}: " + ", ".join(f"{what} {count}" for what, count in report.items()))
    if any(r["missing"] or r["stale"] or r["extra"] for r in reports.values()):
        raise Invalid("the match index differs from the database; run `keyun marketplace index rebuild`")
