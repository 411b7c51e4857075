"""``keyun sites``: sub-sites of counties and parks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun.errors import Invalid, NotFound
from keyun.forms import load
from keyun.sites.models import SubSite
from keyun.sites.schemas import COLOURS, SubSiteForm
from keyun.sites.services import add_site, change_site, find_site, list_sites, remove_site
from keyun.uow import UnitOfWork

Command = Callable[..., Any]
FIELDS = (
    "slug", "name", "name_en", "region", "banner", "banner_en", "colour", "menu", "home", "host", "active",
)  # fmt: skip
SOON = "every process serves it within two seconds"


@click.group(cls=Group)
def sites() -> None:
    """Open, change and remove sub-sites of counties and parks."""


def described(command: Command) -> Command:
    """Add the options that add and edit share."""
    options = (
        click.option("--name-en", help="The name on English pages."),
        click.option("--menu", help="Plugins in the menu, in order: marketplace,popsci; '' for all."),
        click.option("--banner", help="One sentence on the home page."),
        click.option("--banner-en", help="The same in English."),
        click.option("--colour", type=click.Choice(["", *COLOURS]), help="The colour of the banner."),
        click.option("--home", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help="A file with the text of the home page (Markdown, UTF-8)."),
        click.option("--host", help="A host name of its own, such as rs.example.org; '' for none."),
        click.option("--active/--closed", default=None, help="Whether it can be visited."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@sites.command()
@click.argument("slug")
@click.option("--name", required=True, help="Such as 仁寿县科技云.")
@click.option("--region", required=True, help="Six-digit code, such as 511421.")
@described
@pass_console
def add(console: Console, /, slug: str, **options: Any) -> None:
    """Open a sub-site at /s/SLUG/; the same once more changes nothing."""
    data = {"slug": slug, **_given(options)}
    with console.site.writing() as unit:
        known = _known(unit, slug)
        if known is None:
            add_site(system(), unit, data)
        elif not _same(known, data):
            raise Invalid(f"there is a sub-site {slug} already; change it with `keyun sites edit {slug}`")
    click.echo(f"/s/{slug}/ was open already" if known else f"/s/{slug}/ is open; {SOON}")


@sites.command()
@click.argument("slug")
@click.option("--name")
@click.option("--region", help="Six-digit code.")
@described
@pass_console
def edit(console: Console, /, slug: str, **options: Any) -> None:
    """Change what the options name of the sub-site SLUG."""
    with console.site.writing() as unit:
        changed = change_site(system(), unit, find_site(system(), unit, slug), _given(options))
    click.echo(f"{slug} is changed; {SOON}" if changed else f"{slug} is like that already")


@sites.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def list_(console: Console, as_json: bool) -> None:
    """List the sub-sites."""
    with console.site.reading() as unit:
        rows = [{n: getattr(s, n) for n in FIELDS} for s in list_sites(system(), unit)]
    if as_json:
        console.json(rows)
        return
    for r in rows:
        host = f"  {r['host']}" if r["host"] else ""
        mark = "" if r["active"] else "  (closed)"
        menu = f"  menu {','.join(r['menu'])}" if r["menu"] else ""
        click.echo(f"/s/{r['slug']:<20} {r['region']}  {r['name']}{menu}{host}{mark}")


@sites.command()
@click.argument("slug")
@pass_console
def remove(console: Console, slug: str) -> None:
    """Remove the sub-site SLUG; contents belong to regions, so none is lost."""
    with console.site.writing() as unit:
        known = _known(unit, slug)
        if known is not None:
            remove_site(system(), unit, known)
    click.echo(f"{slug} is removed" if known else f"there is no sub-site {slug}; nothing to remove")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as the form wants them."""
    given = {k: v for k, v in options.items() if v is not None}
    if "home" in given:
        given["home"] = given["home"].read_text(encoding="utf-8")
    return given


def _known(unit: UnitOfWork, slug: str) -> SubSite | None:
    try:
        return find_site(system(), unit, slug)
    except NotFound:
        return None


def _same(known: SubSite, data: dict[str, Any]) -> bool:
    """Whether adding ``data`` would make what is there."""
    return all(getattr(known, k) == v for k, v in load(SubSiteForm(), data).items())
