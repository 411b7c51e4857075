"""Attach files to items, take them off, and read those of a whole list at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.content.models import Content
from keyun.content.services import change, visible, whole
from keyun.errors import Conflict, Invalid, NotFound
from keyun.files.models import MAX_ALT, MAX_CREDIT, Attachment, StoredFile
from keyun.files.receiving import Received, keep
from keyun.forms import storable
from keyun.uow import UnitOfWork

RENDER, SWEEP = "core.files-render", "core.files-sweep"
MISSING = "没有找到这个文件。 (There is no such file.)"


def attach(
    actor: Actor, unit: UnitOfWork, item: Content, received: Received, *, alt: str = "", credit: str = ""
) -> Attachment:
    """Let ``item`` show a received file. That is a change of the item: what is public is screened again.

    :raises Invalid: when a picture has no words for those who cannot see it, or the item has enough files.
    """
    unit.require(actor, f"{item.type}.edit", item)
    words, by = _words(alt, credit, received.kind.startswith("image/"))
    change(actor, unit, item, {})
    # The item is locked by its change, so nobody else counts or names at the same time.
    names = {a.name: a.position for a in _of(unit, [item])}
    most = unit.site.runtime.config.files["most_files"]
    if len(names) >= most:
        message = f"一条内容最多 {most} 个文件。 (At most {most} files.)"
        raise Invalid(message, {"file": [message]})
    if not keep(unit, received.digest):
        raise Conflict("文件已被清理，请重新上传。 (The file was swept; upload it again.)")
    found = Attachment(
        content_id=item.id,
        digest=received.digest,
        name=_free(received.name, names),
        alt=words,
        credit=by,
        position=max(names.values(), default=0) + 1,
        user_id=actor.user_id,
        at=unit.now,
    )
    unit.session.add(found)
    unit.session.flush()
    unit.session.refresh(found, ["file"])
    unit.record("content.attached", item.type, item.id, actor, attachment=found.public_id)
    if received.kind.startswith("image/"):
        unit.enqueue(RENDER, key=f"{RENDER}:{received.digest}", digest=received.digest)
    return found


def describe(actor: Actor, unit: UnitOfWork, found: Attachment, *, alt: str, credit: str) -> Attachment:
    """Change the words of an attachment; the same words change nothing."""
    item = unit.session.get_one(Content, found.content_id)
    unit.require(actor, f"{item.type}.edit", item)
    words, by = _words(alt, credit, found.is_picture)
    if (words, by) == (found.alt, found.credit):
        return found
    change(actor, unit, item, {})
    found.alt, found.credit = words, by
    return found


def detach(actor: Actor, unit: UnitOfWork, found: Attachment) -> None:
    """Take a file off its item; the bytes go when no other item shows them."""
    item = unit.session.get_one(Content, found.content_id)
    unit.require(actor, f"{item.type}.edit", item)
    change(actor, unit, item, {})
    unit.session.delete(found)
    unit.record("content.detached", item.type, item.id, actor, attachment=found.public_id)
    unit.enqueue(SWEEP, key=SWEEP)


def find_attachment(actor: Actor, unit: UnitOfWork, public_id: str) -> tuple[Attachment, Content]:
    """A file and its item, for whoever may see the item.

    :raises NotFound: when there is none, or it is not for this actor: both look the same.
    """
    query = sa.select(Attachment, Content).join(Content, Content.id == Attachment.content_id)
    row = unit.session.execute(query.where(Attachment.public_id == public_id, whole(unit))).first()
    if row is None or not visible(actor, unit, row[1]):
        raise NotFound(MISSING)
    return row[0], row[1]


def attachments(unit: UnitOfWork, items: Iterable[Content]) -> Mapping[int, Sequence[Attachment]]:
    """The files of ``items`` by the id of the item, in order, with one statement.

    Open to whoever was given the items; it shows nothing that they do not.
    """
    found: dict[int, list[Attachment]] = {}
    for attachment in _of(unit, list(items)):
        found.setdefault(attachment.content_id, []).append(attachment)
    return found


def _of(unit: UnitOfWork, items: Sequence[Content]) -> Sequence[Attachment]:
    if not items:
        return []
    query = (
        sa.select(Attachment)
        .options(joinedload(Attachment.file, innerjoin=True))
        .where(Attachment.content_id.in_([i.id for i in items]))
        .order_by(Attachment.content_id, Attachment.position)
    )
    return unit.session.scalars(query).all()


def _words(alt: str, credit: str, is_picture: bool) -> tuple[str, str]:
    words, by = storable(alt).strip(), storable(credit).strip()
    wrong: dict[str, list[str]] = {}
    if is_picture and not words:
        wrong["alt"] = ["请用一句话说明图片内容，看不见图的人要靠它。 (Say in words what the picture shows.)"]
    for field, text, most in (("alt", words, MAX_ALT), ("credit", by, MAX_CREDIT)):
        if len(text) > most:
            wrong[field] = [f"最多 {most} 个字。 (At most {most} characters.)"]
    if wrong:
        raise Invalid(" ".join(t for texts in wrong.values() for t in texts), wrong)
    return words, by


def _free(name: str, taken: Iterable[str]) -> str:
    """``name``, with a number when the item has one like it."""
    names, (stem, _, ending), number = set(taken), name.rpartition("."), 1
    while name in names:
        number += 1
        name = f"{stem}-{number}.{ending}"
    return name


def stored(unit: UnitOfWork) -> Mapping[str, StoredFile]:
    """Every file that an item shows, by digest; for checks at the command line.

    One that nobody shows may be missing: an upload that broke off is written down before it is kept.
    """
    query = sa.select(StoredFile).where(sa.exists().where(Attachment.digest == StoredFile.digest))
    return {f.digest: f for f in unit.session.scalars(query)}
