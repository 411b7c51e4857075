"""``keyun usage``: reports, rules, folding, counting again, comparing, importing a past."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console
from keyun.errors import Invalid
from keyun_usage import answers, folding, importing, services, window
from keyun_usage.rules import find

DAY = click.DateTime(["%Y-%m-%d"])


def commands() -> Iterable[click.Command]:
    """The commands of the group."""
    return (report, rules, fold, recount, verify, import_)


@click.command()
@click.option(
    "--region", help="Six-digit code; the place and everything below it. Default: the region of the site."
)
@click.option("--from", "start", type=DAY, required=True, help="First day, such as 2026-07-01.")
@click.option("--to", "end", type=DAY, required=True, help="Last day, included.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def report(
    console: Console, region: str | None, start: dt.datetime, end: dt.datetime, as_csv: bool, as_json: bool
) -> None:
    """Person-times and distinct people of a place and a period, with the rule and the moment behind them."""
    region = region or str(console.runtime.config.site["region"])
    with console.site.reading() as unit:
        made = services.report(system(), unit, region, start.date(), end.date())
        data, lines = answers.report_data(made, unit), list(services.lines(made, unit))
    if as_json:
        console.json(data)
        return
    if as_csv:
        answers.write_csv(sys.stdout, lines)
        return
    _print(made, data["name"], lines)


def _print(made: services.Report, name: str, lines: list[dict[str, object]]) -> None:
    as_of = made.as_of.isoformat(timespec="minutes") if made.as_of else "nothing folded yet"
    click.echo(f"{name} {made.start} to {made.end}; as of {as_of}")
    if made.note:
        click.echo(made.note)
    share = made.anonymous_share
    click.echo(f"person-times {made.total.counted:,}, by visitors {'-' if share is None else f'{share:.1%}'}")
    d = made.distinct
    months = f"{answers.month_text(d.first_month)} to {answers.month_text(d.last_month)}"
    click.echo(
        f"distinct logged-in people, whole months {months}: {d.people:,} (removed since: {d.removed:,})"
    )
    for line in lines[1:]:
        click.echo(f"  {line['kind']:<8} {line['name']:<20} {line['times']:>14,} {line['people']:>12}")
    for used in made.rules:
        says = used.rule.says if used.rule else "not known here"
        click.echo(f"rule {used.id} ({used.first_day} to {used.last_day}): {says}")
    for reason in made.excluded:
        click.echo(f"excluded by {reason.rule}: {reason.records:,} {reason.title}")
    if made.unplaced or made.lost or made.killed:
        click.echo(
            f"without a place {made.unplaced:,}, records lost {made.lost:,}, processes killed {made.killed}"
        )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def rules(console: Console, as_json: bool) -> None:
    """List what counts, by which version of which rule."""
    found = answers.rules_data(console.site)
    if as_json:
        console.json(found)
        return
    for rule in found:
        click.echo(f"{'*' if rule['active'] else ' '} {rule['id']}: {rule['says']}")


@click.command()
@pass_console
def fold(console: Console) -> None:
    """Bring what was appended into the figures now; the worker does it every few seconds."""
    click.echo(f"{folding.fold_all(console.site)} records")


@click.command()
@click.option("--from", "start", type=DAY, required=True, help="First day to count again.")
@click.option("--rule", required=True, help="Id of the rule, such as opened-1; see `keyun usage rules`.")
@pass_console
def recount(console: Console, start: dt.datetime, rule: str) -> None:
    """Count the days that raw records cover again, by another rule; older figures keep theirs."""
    site = console.site
    keep = site.plugins.settings("usage")["keep_days"]
    done = window.recount(system(), site, start.date(), find(site, rule), keep, console.progress)
    click.echo(f"{done.days} days, {done.records} records, people of {done.months} whole months")
    for text in done.left_out:
        click.echo(text)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def verify(console: Console, as_json: bool) -> None:
    """Compare the figures with the raw records of the window; exit 1 when they differ."""
    done = window.verify(system(), console.site, console.site.plugins.settings("usage")["keep_days"])
    if as_json:
        facts = {"days": done.days, "months": done.months, "records": done.records}
        console.json(facts | {"wrong": done.wrong, "left_out": done.left_out})
    else:
        click.echo(f"{done.days} days, {done.months} whole months, {done.records} records compared")
        for text in (*done.left_out, *done.wrong[:50]):
            click.echo(text)
    if done.wrong:
        raise Invalid(
            f"{len(done.wrong)} 个数字与原始记录不符，可用 `keyun usage recount` 重算。"
            f" ({len(done.wrong)} figures differ from raw records; `keyun usage recount` repairs them.)"
        )


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rule", required=True, help="What the figures were counted by, such as province2025-1.")
@click.option(
    "--packed", is_flag=True, help="FILE holds packed records, not CSV; the rule must be loaded here."
)
@pass_console
def import_(console: Console, file: Path, rule: str, packed: bool) -> None:
    """Bring the past of a province: FILE is CSV with day,region,channel,type,users,visitors."""
    if packed:
        click.echo(f"{importing.import_packed(system(), console.site, file, rule)} records")
    else:
        click.echo(f"{importing.import_csv(system(), console.site, file, rule)} person-times")
