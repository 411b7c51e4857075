"""``keyun notices send``, ``cancel``, ``list``, ``show`` and ``proof``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from keyun.access import system
from keyun.accounts import User
from keyun.cli.console import Console, pass_console
from keyun.errors import Invalid, NotFound
from keyun.forms import load
from keyun.uow import UnitOfWork
from keyun_notices.audience.expression import parse
from keyun_notices.audience.trial import Trial, trial
from keyun_notices.people.resident import attributes, resident
from keyun_notices.publishing import files, services
from keyun_notices.publishing.draft import Draft, Kept
from keyun_notices.publishing.listing import detailed, plain, sent_page
from keyun_notices.publishing.proof import prove, prove_person, pseudonyms
from keyun_notices.publishing.schemas import DraftSchema, to_draft

MOST_JSON = 2_000_000
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def commands() -> Iterable[click.Command]:
    """The commands of senders."""
    return (send, cancel, list_, show, proof)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Count whom it would reach, and publish nothing.")
@AS_JSON
@pass_console
def send(console: Console, file: Path, dry_run: bool, as_json: bool) -> None:
    """Publish the notice in FILE (JSON); the same key and content again changes nothing.

    In "attachments" the file names others beside it, by their paths.
    """
    values, names = _read(file)
    if dry_run:
        with console.site.reading() as unit:
            _tell_trial(console, unit, to_draft(values), as_json)
        return
    with console.site.reading() as unit:
        kept = [_keep(unit, file.parent / name) for name in names]
    with console.site.writing() as unit:
        said = plain(services.publish(system(), unit, to_draft(values, kept)))
    _tell(console, said, as_json)


@click.command()
@click.argument("name")
@click.option("--body", default="", help="What those read who had been addressed.")
@AS_JSON
@pass_console
def cancel(console: Console, name: str, body: str, as_json: bool) -> None:
    """Cancel the notice NAME (its key or id) and its whole thread; a key may come before its notice."""
    with console.site.writing() as unit:
        which = services.named(unit, name) or name
        said = plain(services.cancel(system(), unit, which, body=body))
    _tell(console, said, as_json)


@click.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@AS_JSON
@pass_console
def list_(console: Console, limit: int, as_json: bool) -> None:
    """List what was sent, newest first."""
    with console.site.reading() as unit:
        found = [plain(n) for n in sent_page(system(), unit, limit=limit).items]
    if as_json:
        console.json(found)
        return
    for said in found:
        click.echo(f"{said['state']:<11}{said['addressed']:>9}  {said['key']}  {said['title']}")


@click.command()
@click.argument("name")
@AS_JSON
@pass_console
def show(console: Console, name: str, as_json: bool) -> None:
    """Show one notice (its key or id): text, conditions, state and counts."""
    with console.site.reading() as unit:
        said = detailed(unit, services.sent(system(), unit, name))
    _tell(console, said, as_json)


@click.command()
@click.argument("name")
@click.option("--user", "login", help="Say of this person (log-in name) whether he was addressed.")
@click.option(
    "--pseudonyms", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write all pseudonyms there."
)
@AS_JSON
@pass_console
def proof(console: Console, name: str, login: str | None, out: Path | None, as_json: bool) -> None:
    """Prove who was addressed by a notice and why; exit 1 when the record was altered.

    Nobody is named: the list holds pseudonyms that mean something for this notice only.
    """
    with console.site.reading() as unit:
        notice = services.sent(system(), unit, name)
        found = prove(system(), unit, notice)
        said = asdict(found)
        if login is not None:
            said["person"] = prove_person(system(), unit, notice, _user(unit, login))
        if out is not None:
            out.write_text("".join(f"{p}\n" for p in pseudonyms(system(), unit, notice)), encoding="ascii")
    _tell(console, said, as_json)
    if not found.intact:
        raise Invalid(
            "存储的送达名单与封印不符，请从备份核对。"
            " (The stored audience differs from its seal; compare it with a backup.)"
        )


def _read(file: Path) -> tuple[dict[str, Any], list[str]]:
    """The values in ``file`` and the paths of its attachments.

    :raises Invalid: naming what is wrong.
    """
    if file.stat().st_size > MOST_JSON:
        raise Invalid(f"{file}: larger than {MOST_JSON} bytes")
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as e:
        raise Invalid(f"{file}: not JSON ({type(e).__name__}); correct it and send it again") from None
    names = data.pop("attachments", []) if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(n, str) and "\x00" not in n for n in names):
        raise Invalid(f'{file}: an object is expected, with "attachments" as a list of paths')
    return load(DraftSchema(), data), names


def _keep(unit: UnitOfWork, path: Path) -> Kept:
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file")
    if path.stat().st_size > files.MOST_BYTES:
        raise Invalid(f"{path}: larger than {files.MOST_BYTES} bytes")
    return files.keep(system(), unit, path.name, path.read_bytes())


def _user(unit: UnitOfWork, login: str) -> User:
    user = unit.session.query(User).filter(User.login == login).one_or_none()
    if user is None:
        raise NotFound(f"there is no account {login}")
    return user


def _tell_trial(console: Console, unit: UnitOfWork, draft: Draft, as_json: bool) -> None:
    live = resident(unit.site)
    expression = services.conditions(draft.regions, parse(draft.audience, attributes(unit.site)))
    found = trial(expression, live.people(unit), live.attributes, unit.site.regions, unit.today)
    if as_json:
        console.json(_trial(found))
        return
    for clause in found.clauses:
        click.echo(f"{clause.count:>9}  {'  ' * clause.depth}{clause.asks.zh}")
    for caution in found.warnings:
        console.progress(f"注意：{caution.says.zh} ({caution.says.en})")
    click.echo(f"{found.count} of {found.of}; nothing was published")


def _trial(found: Trial) -> dict[str, Any]:
    return {
        "count": found.count,
        "of": found.of,
        "clauses": [{"path": c.path, "asks": c.asks.zh, "count": c.count} for c in found.clauses],
        "warnings": [{"code": c.code, "path": c.path, "says": c.says.zh} for c in found.warnings],
    }


def _tell(console: Console, said: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        console.json(said)
        return
    for name, value in said.items():
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False, default=str)
        click.echo(f"{name}: {value}")
