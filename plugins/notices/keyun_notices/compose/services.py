"""What the steps of sending ask of the rest: topics, places, files, channels, and at last publishing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import Organization
from keyun.errors import Invalid
from keyun.uow import UnitOfWork
from keyun_notices.compose.carried import Carried, new_key, sign, unsign
from keyun_notices.compose.dryrun import COUNT, SEND, matching
from keyun_notices.compose.places import Group, groups, usual
from keyun_notices.compose.schemas import Message, local, message
from keyun_notices.contacts import addressing as contacts
from keyun_notices.outbox import directory
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.fanout import plan
from keyun_notices.preferences.topics import Topic, topics
from keyun_notices.publishing.draft import MOST_ATTACHMENTS, Draft, Kept
from keyun_notices.publishing.files import MOST_BYTES, keep
from keyun_notices.publishing.models import Notice, NoticeRegion
from keyun_notices.publishing.places import known, outermost
from keyun_notices.publishing.services import publish, sent
from keyun_notices.relays import addressing as relays

if TYPE_CHECKING:
    from werkzeug.datastructures import FileStorage

CHANGE = "notices.notice.cancel"
#: Of more people a page does not ask by which channels they want to hear.
MOST_ASKED = 200_000
TOO_MANY = f"最多 {MOST_ATTACHMENTS} 个附件。 (At most {MOST_ATTACHMENTS} files.)"


def begin(actor: Actor, unit: UnitOfWork, update: str = "") -> Carried:
    """A notice that nobody has written yet, or the update of the notice with the public id ``update``.

    :raises NotFound: when this actor may not look at that notice.
    :raises Forbidden: when he may not change it.
    """
    unit.require(actor, SEND)
    if update:
        return _update_of(actor, unit, sent(actor, unit, update))
    roots = unit.site.access.regions(actor, SEND)
    return Carried(new_key(), scope=usual(roots, _home(unit)))


def _update_of(actor: Actor, unit: UnitOfWork, notice: Notice) -> Carried:
    unit.require(actor, CHANGE, notice)
    query = sa.select(NoticeRegion.region).where(NoticeRegion.notice_id == notice.id, NoticeRegion.given)
    speaks = notice.organization_id if notice.organization_id in actor.organizations else None
    text = {
        "organization": unit.session.scalar(
            sa.select(Organization.public_id).where(Organization.id == speaks)
        )
        or "",
        "topic": notice.topic,
        "title": notice.title,
        "body": notice.body,
        "link": notice.link or "",
        "expires_at": local(notice.expires_at, unit.site.timezone),
        "contacts": "true" if notice.contacts else "",
        "relays": "true" if notice.relays else "",
    }
    codes = tuple(unit.session.scalars(query.order_by(NoticeRegion.region)))
    written = {k: v for k, v in text.items() if v}
    return Carried(new_key(), notice.public_id, codes, dict(notice.audience), written)


def region_groups(actor: Actor, unit: UnitOfWork) -> list[Group]:
    """The places for which ``actor`` may send; the pages show nothing else."""
    unit.require(actor, SEND)
    return groups(unit.site.regions, unit.site.access.regions(actor, SEND), _home(unit))


def topics_of(unit: UnitOfWork) -> Mapping[str, Topic]:
    """What a notice can be about; open to everyone."""
    return topics(unit.site)


def organizations(actor: Actor, unit: UnitOfWork) -> Mapping[str, str]:
    """The names of the organizations that ``actor`` acts for, by their public ids."""
    unit.require(actor, SEND)
    query = sa.select(Organization.public_id, Organization.name).where(
        Organization.id.in_(actor.organizations)
    )
    return {public_id: name for public_id, name in unit.session.execute(query.order_by(Organization.name))}


def understood(unit: UnitOfWork, carried: Carried) -> Message:
    """The text of ``carried``, checked; open to whoever typed it.

    :raises Invalid: with what is wrong by field.
    """
    return message(carried.text, topics(unit.site).keys(), unit.site.timezone, unit.now)


def publish_carried(actor: Actor, unit: UnitOfWork, carried: Carried) -> Notice:
    """Publish what the steps have gathered; sent twice, it is one notice.

    :raises Invalid: when the text or the audience is no longer right.
    :raises Conflict: when its key stands for another text already.
    """
    unit.require(actor, SEND)
    said = understood(unit, carried)
    refers: tuple[str, ...] = ()
    if carried.of:
        refers = (sent(actor, unit, carried.of).ikey,)
    return publish(
        actor,
        unit,
        Draft(
            ikey=carried.ikey,
            title=said.title,
            body=said.body,
            topic=said.topic,
            kind=carried.kind,
            life=said.life,
            link=said.link,
            regions=carried.scope,
            audience=carried.audience,
            starts_at=said.starts_at,
            expires_at=said.expires_at,
            refers_to=refers,
            organization=said.organization,
            contacts=said.contacts,
            relays=said.relays,
            attachments=unsign(unit.site, carried.kept),
        ),
    )


def taken(actor: Actor, unit: UnitOfWork, carried: Carried) -> str | None:
    """The public id of the notice that has the key of ``carried`` already, if ``actor`` may look at it."""
    notice = unit.session.scalar(sa.select(Notice).where(Notice.ikey == carried.ikey))
    allowed = notice is not None and unit.site.access.allows(actor, "notices.notice.read", notice)
    return notice.public_id if notice is not None and allowed else None


def _home(unit: UnitOfWork) -> str:
    return str(unit.site.runtime.config.site["region"])


@dataclass(frozen=True, slots=True)
class Reached:
    """How many of an audience a channel reaches, at once or later."""

    title: str
    title_en: str
    count: int


def channels(actor: Actor, unit: UnitOfWork, carried: Carried, said: Message) -> Sequence[Reached]:
    """By which channels the notice would reach how many, and how many find it in a digest.

    Empty when no channel is configured, or when it is for so many that asking takes too long for a page.

    :raises Forbidden: when ``actor`` may not count.
    """
    unit.require(actor, COUNT)
    known = {n: c for n, c in directory.channels(unit.site).items() if "account" in c.kinds}
    people = matching(actor, unit, carried.scope, carried.audience)
    if not known or len(people) > MOST_ASKED:
        return ()
    personal = not regional(carried.audience)
    found = plan(unit, people, said.topic, known, life=said.life, personal=personal)
    reached = [Reached(c.title, c.title_en, len(found.at_once.get(name, ()))) for name, c in known.items()]
    return [*reached, Reached("每日或每周摘要", "Daily or weekly digest", len(found.digest))]


@dataclass(frozen=True, slots=True)
class Beside:
    """Whom the notice would reach without an account; None when the sender does not ask for it."""

    contacts: int | None
    relays: int | None


def beside(actor: Actor, unit: UnitOfWork, carried: Carried, said: Message) -> Beside:
    """How many contacts would be told now, and how many relays asked.

    :raises Forbidden: when ``actor`` may not count.
    :raises Invalid: when the scope is not his, or the audience is none.
    """
    people = matching(actor, unit, carried.scope, carried.audience)
    codes = outermost(known(unit.site.regions, carried.scope, unit.today))
    return Beside(
        len(contacts.chosen(unit, codes, carried.audience, people)) if said.contacts else None,
        len(relays.chosen(unit, codes, carried.audience)) if said.relays else None,
    )


def keep_files(
    actor: Actor, unit: UnitOfWork, carried: Carried, ticked: Sequence[str], files: Sequence[FileStorage]
) -> tuple[Carried, list[str]]:
    """``carried`` with the files that stay ticked and those just sent, and why others were refused.

    A file lies in the instance then, and stays on its way whatever else has to be corrected.
    """
    unit.require(actor, SEND)
    kept = [f for n, f in enumerate(unsign(unit.site, carried.kept)) if str(n) in ticked]
    refused = []
    for file in files:
        if not file.filename:
            continue
        try:
            kept.append(keep(actor, unit, file.filename, file.stream.read(MOST_BYTES + 1)))
        except Invalid as e:
            refused.append(str(e))
    kept = list(dict.fromkeys(kept))
    if len(kept) > MOST_ATTACHMENTS:
        refused.append(TOO_MANY)
    return replace(carried, kept=sign(unit.site, kept[:MOST_ATTACHMENTS])), refused


def files_of(unit: UnitOfWork, carried: Carried) -> Sequence[Kept]:
    """The files of ``carried``; open to whoever holds their signature."""
    return unsign(unit.site, carried.kept)
