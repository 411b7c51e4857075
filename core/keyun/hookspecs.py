"""Every hook the core calls. A hook's docstring is its contract.

Adding a hook or an argument is compatible; removing one is not (see docs/develop/plugins.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy
from markupsafe import Markup

if TYPE_CHECKING:
    import click
    from flask import Blueprint
    from flask_smorest import Blueprint as ApiBlueprint

    from keyun.access import Actor, Permission
    from keyun.content.types import ContentType, Draft, Verdict
    from keyun.events.models import Committed
    from keyun.exchange.types import Importer
    from keyun.jobs import Job
    from keyun.search.port import SearchSource

hookspec = pluggy.HookspecMarker("keyun")
hookimpl = pluggy.HookimplMarker("keyun")

API_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One entry of the main menu; smaller ``weight`` stands further left."""

    endpoint: str
    label: str
    weight: int = 50


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a page; smaller ``weight`` stands higher."""

    html: Markup
    weight: int = 50


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file of demonstration records and the importer that reads it; files load by ``weight``."""

    importer: str
    path: Path
    weight: int = 50


@dataclass(frozen=True, slots=True)
class Check:
    """One question of ``keyun doctor``: ``run`` returns the problems found, each with its repair."""

    name: str
    run: Callable[[], Iterable[str]]


@hookspec
def keyun_blueprints() -> Iterable[Blueprint]:  # type: ignore[empty-body]
    """Return the page blueprints of the plugin, named after its slot (``<slot>`` or ``<slot>-<part>``).

    Called once while the application is built; mounted below ``/<slot>``. Every view is marked
    ``@public`` or ``@requires(...)``. A failure makes the plugin faulted.
    """


@hookspec
def keyun_api() -> Iterable[ApiBlueprint]:  # type: ignore[empty-body]
    """Return flask-smorest blueprints, named ``<slot>-api``; mounted below ``/api/v1/<slot>``.

    Called once while the application is built. Every view is marked. A failure makes the plugin faulted.
    """


@hookspec
def keyun_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Return the commands to hang below ``keyun <group>``, the group named in the manifest.

    Called when a command of the group is asked for. Each command gets the ``Console`` object of
    :mod:`keyun.cli.console`. A failure is reported; the other groups work.
    """


@hookspec
def keyun_permissions() -> Iterable[Permission]:  # type: ignore[empty-body]
    """Return the permissions the plugin declares, named ``<slot>.<object>.<verb>``.

    Called once. What nobody declares is denied. A name declared twice makes the later plugin faulted.
    """


@hookspec
def keyun_content_types() -> Iterable[ContentType]:  # type: ignore[empty-body]
    """Return the content types of the plugin, named ``<slot>.<type>``.

    Called once. While a type is not loaded, no list and no search shows its rows; they stay stored.
    """


@hookspec
def keyun_importers() -> Iterable[Importer]:  # type: ignore[empty-body]
    """Return what ``keyun import NAME FILE`` can read. Called once; names are unique in a site."""


@hookspec
def keyun_menu(actor: Actor) -> Iterable[MenuItem]:  # type: ignore[empty-body]
    """Return the menu entries that ``actor`` sees.

    Called for every page. A failure is logged and drops the entries of that plugin.
    """


@hookspec
def keyun_fragment(place: str, context: Mapping[str, object]) -> Iterable[Fragment]:  # type: ignore[empty-body]
    """Return pieces of the page for ``place`` (``home``, ``account``); nothing for places you do not know.

    ``context`` holds what the page knows, at least ``actor``. Called for every page that has the
    place. A failure is logged and drops the piece.
    """


@hookspec
def keyun_search_sources() -> Iterable[SearchSource]:  # type: ignore[empty-body]
    """Return which content types the site search covers, and what it reads of each. Called once."""


@hookspec
def keyun_jobs() -> Iterable[Job]:  # type: ignore[empty-body]
    """Return the background jobs of the plugin, named ``<slot>.<job>``.

    Called once. A handler runs at least once for each job row, so it must be idempotent. A failing
    handler is tried again with growing pauses and ends as *dead*, visible in ``keyun jobs list``.
    """


@hookspec
def keyun_content_screen(actor: Actor, draft: Draft) -> Verdict | None:
    """Judge ``draft`` before the public sees it: pass (None), hold for review, or refuse with a reason.

    Called for every publication, all plugins asked; the strictest verdict counts. A failure holds the text.
    """


@hookspec
def keyun_committed(event: Committed) -> None:
    """React to something that happened and is committed; ``event`` carries ids and plain data only.

    Called plugin by plugin right after the commit, in the process that did it; work that must not be
    lost belongs in a job row instead. A failure is logged and stops nobody else.
    """


@hookspec
def keyun_demo() -> Iterable[DemoFile]:  # type: ignore[empty-body]
    """Return files of demonstration records for ``keyun demo``. Called once for each run."""


@hookspec
def keyun_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Return what ``keyun doctor`` should look at. A failing check is shown as a problem of the plugin."""
