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
    from keyun.accounts.models import User
    from keyun.accounts.personal import Export
    from keyun.content.fields import ContentField
    from keyun.content.opening import Opening
    from keyun.content.types import ContentType, Draft, ReviewCheck, Verdict
    from keyun.events.follow import Lag
    from keyun.events.models import Committed
    from keyun.exchange.types import Exporter, Importer
    from keyun.jobs import Job
    from keyun.messages.message import Message
    from keyun.search.port import SearchBackend, SearchSource
    from keyun.site import Site
    from keyun.uow import UnitOfWork

hookspec = pluggy.HookspecMarker("keyun")
hookimpl = pluggy.HookimplMarker("keyun")

API_VERSION = "1.2"


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One entry of the main menu; smaller ``weight`` stands further left."""

    endpoint: str
    label: str
    weight: int = 50

    def __post_init__(self) -> None:
        if not isinstance(self.endpoint, str) or not isinstance(self.weight, int | float):
            raise TypeError(f"a menu entry needs an endpoint and a number as weight: {self.endpoint!r}")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a page; smaller ``weight`` stands higher."""

    html: Markup
    weight: int = 50

    def __post_init__(self) -> None:
        if not isinstance(self.html, str) or not isinstance(self.weight, int | float):
            raise TypeError(f"a fragment needs Markup and a number as weight, not {self.html!r}")


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


@dataclass(frozen=True, slots=True)
class Derived:
    """Something a plugin derives from the database: ``lag`` says how far behind it is.

    Above ``most`` unread events an administrator should look.
    """

    name: str
    title: str
    lag: Callable[[UnitOfWork], Lag]
    most: int


@hookspec
def keyun_blueprints() -> Iterable[Blueprint]:  # type: ignore[empty-body]
    """Return the page blueprints of the plugin, named after its slot (``<slot>`` or ``<slot>-<part>``).

    Called once while the plugin is loaded, before there is a ``site``; mounted below ``/<slot>``. Every
    view is marked ``@public`` or ``@requires(...)``. Nothing may act on pages of others
    (``before_app_request`` and the like). A failure makes the plugin faulted.
    """


@hookspec
def keyun_api() -> Iterable[ApiBlueprint]:  # type: ignore[empty-body]
    """Return flask-smorest blueprints, named ``<slot>-api``; mounted below ``/api/v1/<slot>``.

    Called once while the plugin is loaded. Every view is marked. A failure makes the plugin faulted.
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
    A failure, or a name that somebody else declares, makes the plugin faulted.
    """


@hookspec
def keyun_content_fields() -> Iterable[ContentField]:  # type: ignore[empty-body]
    """Return fields for content types of other plugins, such as a certification level on offers.

    Called once. The forms, lists, pages, API, import and export of the type show them as
    ``<slot>.<field>``; values lie in ``Content.extra`` and stay there while the plugin is off. Name the
    owner of the type in ``requires`` or ``after``; a field for a type whose plugin is off is passed over.
    An unknown type, a name twice or a field that JSON cannot hold makes the plugin faulted.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_importers() -> Iterable[Importer]:  # type: ignore[empty-body]
    """Return what ``keyun import NAME FILE`` can read.

    Called once; names are unique in a site. A failure of the declaration makes the plugin faulted; a row
    that its ``write`` refuses is reported with its number, and the others are written.
    """


@hookspec
def keyun_exporters() -> Iterable[Exporter]:  # type: ignore[empty-body]
    """Return what ``keyun export NAME FILE`` can write. Called once; names are unique in a site.

    Give an exporter the name and the row schema of the importer that reads its file, and read in
    chunks. Columns with personal data stand in ``personal`` and ask for a permission of their own.
    A failure of the declaration makes the plugin faulted; a failure while reading leaves no file.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_menu(actor: Actor) -> Iterable[MenuItem]:  # type: ignore[empty-body]
    """Return the menu entries that ``actor`` sees.

    Called for every page. A failure, or anything else than an iterable of entries, is logged and drops
    the entries of that plugin; so is an entry whose endpoint needs arguments. Too slow too often
    suspends the hook (``[plugins] hook_budget_ms``): the entries are missing until
    ``keyun plugins clear``.
    """


@hookspec
def keyun_fragment(place: str, context: Mapping[str, object]) -> Iterable[Fragment]:  # type: ignore[empty-body]
    """Return pieces of the page for ``place`` (``home``, ``account``); nothing for places you do not know.

    ``context`` holds what the page knows, at least ``actor``. Called for every page that has the
    place. A failure, or anything else than an iterable of pieces, is logged and drops them. Too slow
    too often suspends the hook (``[plugins] hook_budget_ms``), until ``keyun plugins clear``.
    """


@hookspec
def keyun_search_sources() -> Iterable[SearchSource]:  # type: ignore[empty-body]
    """Return which content types the site search covers, and what it reads of each.

    Called once. A failure makes the plugin faulted. When the sources change, the worker brings
    the index in line.
    """


@hookspec(firstresult=True)
def keyun_search_backend(site: Site) -> SearchBackend | None:
    """Return the engine behind the site search, or None to leave it to the next one; the core's is Whoosh.

    Called once for each process and site, when the first question is asked. The engine keeps the
    protocol ``SearchBackend`` of :mod:`keyun.search`; ``keyun.testing.search`` tests that. The index
    is derived: the worker fills a new engine from the database. A failure here makes the search
    unavailable (503) and nothing else.

    .. versionadded:: 1.1
    """


@hookspec(firstresult=True)
def keyun_authenticate(identifier: str, secret: str) -> User | None:
    """Return the user that ``identifier`` is when ``secret`` proves it; None when that is not yours to judge.

    Called for each log-in by form; the last loaded plugin is asked first, the core's passwords at
    last. Return a user of the database: an account elsewhere is linked to one, or gets one, in a
    unit of work of your own (``self.site.writing()``), after any network call. Raise ``Forbidden`` to
    refuse at once; the person reads the same text as for a wrong password. An account that is closed
    is refused whatever you return. Never log ``secret``. A failure is logged without its text and
    counts as None, so local passwords go on working; a failing wrapper refuses.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_message_channels() -> Iterable[str]:  # type: ignore[empty-body]
    """Return the channels that your ``keyun_message_send`` serves: ``mail``, ``sms`` or a name of your own.

    Asked whenever something could be sent: for a channel that nobody serves no message is written,
    and a page does not promise one. A failure is logged and counts as none.

    .. versionadded:: 1.1
    """


@hookspec(firstresult=True)
def keyun_message_send(message: Message) -> bool | None:
    """Hand ``message`` over to its way of sending: True when it was taken, None when it is not yours.

    Called by a job, the last loaded plugin first, the core's SMTP at last. A failure makes the job
    try again later, up to the limit of ``[jobs]``; raise ``Undeliverable`` when trying again is of no
    use. ``message.id`` is the same for every attempt: hand it on as the idempotency key. Log neither
    address nor text.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_export_user(unit: UnitOfWork, user_id: int) -> Iterable[Export]:  # type: ignore[empty-body]
    """Return what you hold about a person beyond the rows that point to him, such as files.

    ``user_id`` is the person. Rows with a foreign key to ``core_user`` are exported by the core, whatever
    plugin they belong to.
    Called by ``keyun users export`` and by the person's own download. A failure stops the export.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_erase_user(unit: UnitOfWork, user_id: int) -> None:
    """Forget the person ``user_id``, in the transaction ``unit``, while the account and its rows are there.

    Called by ``keyun users erase`` and when a person closes his account. Only for what the core cannot
    know: rows that point to ``core_user`` are deleted or cut loose by their ``ondelete``, and their
    personal columns are emptied. Record an event for what is derived from them. A failure undoes the
    whole erasure.

    .. versionadded:: 1.1
    """


@hookspec
def keyun_jobs() -> Iterable[Job]:  # type: ignore[empty-body]
    """Return the background jobs of the plugin, named ``<slot>.<job>``.

    Called once. A handler runs at least once for each job row, so it must be idempotent. A failing
    handler is tried again with growing pauses and ends as *dead*, visible in ``keyun jobs list``.
    """


@hookspec
def keyun_content_screen(actor: Actor, draft: Draft) -> Verdict | None:
    """Judge ``draft`` before the public sees it: pass (None), hold for review, or refuse with a reason.

    Called for every publication, all plugins asked; the strictest verdict counts. A failure, or an
    answer of another kind, holds the text. It is measured and never suspended. While a plugin with
    ``screens = true`` in its manifest cannot be loaded, every text is held.
    """


@hookspec
def keyun_review_checks(draft: Draft) -> Iterable[ReviewCheck]:  # type: ignore[empty-body]
    """Return what a machine can tell a reviewer about ``draft``: named results with pass, warn or fail.

    Called whenever somebody looks at a review, with the text as it stands, so answer in milliseconds and
    ask no other server. Nothing for types you do not know. Results advise; a text that must not become
    public is refused by ``keyun_content_screen``. A failure, or an answer of another kind, is logged and
    shown as a warning that names the plugin; it is measured and never suspended.

    .. versionadded:: 1.2
    """


@hookspec
def keyun_committed(event: Committed) -> None:
    """React to something that happened and is committed; ``event`` carries ids and plain data only.

    Called plugin by plugin right after the commit, in the process that did it; work that must not be
    lost belongs in a job row instead. A failure is logged and stops nobody else.
    """


@hookspec
def keyun_content_opened(opening: Opening) -> None:
    """Take note that somebody opened a public item; ``opening`` says what, where, how and when.

    Called plugin by plugin within the request, after the item was found and before the page is made, so
    touch no database and wait for nothing: keep it in memory or append it to a file. Not called for
    drafts, lists and HEAD requests. A failure is logged and stops neither the page nor anybody else; it
    is measured and never suspended.

    .. versionadded:: 1.2
    """


@hookspec
def keyun_demo() -> Iterable[DemoFile]:  # type: ignore[empty-body]
    """Return files of demonstration records for ``keyun demo``.

    Called once for each run. Every record says that it is demonstration data. A failure is logged
    and drops the files of that plugin.
    """


@hookspec
def keyun_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Return what ``keyun doctor`` should look at.

    Called once for each run. ``run`` of a check gives sentences that name the repair; a check that fails
    is shown as a problem itself, and the others are asked.
    """


@hookspec
def keyun_derived() -> Iterable[Derived]:  # type: ignore[empty-body]
    """Return what the plugin derives from the database and keeps outside it, such as an index in files.

    Called when an administrator looks at the page of indexes; a durable cursor in ``core_cursor`` is
    listed without it. ``lag`` runs in the unit of that page and must answer in milliseconds. A failure
    is logged and shown in its place.

    .. versionadded:: 1.1
    """
