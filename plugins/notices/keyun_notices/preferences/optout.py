"""Say no by a signed link, without log-in: the token says who and to what, and nothing else about him.

A token stays good as long as the key of the site. Looking at it changes nothing, because mail scanners
open every link; using it twice is the same as once. What it ended can be brought back by a second token
that is shown with the answer and knows what was there before.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass, replace

import sqlalchemy as sa
from itsdangerous import BadData, Signer
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import anonymous
from keyun.accounts import User, actor_for
from keyun.db import is_sqlite
from keyun.errors import NotFound
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.preferences.models import FREQUENCIES, NEVER, ChosenChannel, Preference, TopicChoice
from keyun_notices.preferences.topics import topic

__all__ = [
    "ACCOUNT",
    "CONTACT",
    "BadToken",
    "Optout",
    "honour",
    "optout_headers",
    "optout_token",
    "optout_url",
    "stands",
]

ACCOUNT, CONTACT = "account", "contact"
#: What a refusal is about: everything, one topic, one channel.
EVERYTHING, TOPIC, CHANNEL = "all", "topic", "channel"
MARKS = {"a": ACCOUNT, "c": CONTACT, "*": EVERYTHING, "t": TOPIC, "h": CHANNEL}
LETTERS = {value: mark for mark, value in MARKS.items()}
NAME = re.compile(r"[a-z][a-z0-9.-]{0,59}")
MOST = 200
FORGED = (
    "这个退订链接不是本站发出的，或者没有复制完整。请从收到的消息里重新打开，或者登录后在「通知设置」里修改。"
    " (This link was not made here, or is not complete; open it from the message again, or log in and"
    " change your notice preferences.)"
)
GONE = (
    "这个链接对应的账号或号码已经不在本站，不会再收到任何消息。"
    " (The account or number of this link is no longer here; it gets no messages.)"
)


class BadToken(NotFound):
    """The token is forged, of another site, cut off, or of somebody who is gone."""


@dataclass(frozen=True, slots=True)
class Optout:
    """Who says no to what: ``about`` is ``all``, ``topic`` or ``channel``, ``name`` which one.

    With ``undo`` it takes a refusal back, and ``before`` is what stood there, if anything did.
    """

    kind: str
    public_id: str
    about: str = EVERYTHING
    name: str = ""
    undo: bool = False
    before: str = ""


def optout_token(
    site: Site, kind: str, public_id: str, *, topic: str | None = None, channel: str | None = None
) -> str:
    """A token by which an account or contact (``kind``) refuses a topic, a channel, or everything.

    Short enough for an SMS; it names nobody but the random public id.
    """
    about, name = (TOPIC, topic) if topic else (CHANNEL, channel) if channel else (EVERYTHING, "")
    return _dump(site, Optout(kind, public_id, about, name or ""))


def optout_url(site: Site, token: str) -> str:
    """The whole address of the page of ``token``; empty when the address of the site is not configured."""
    root = str(site.runtime.config.site["url"])
    return f"{root}/notices/optout/{token}" if root else ""


def optout_headers(site: Site, token: str) -> dict[str, str]:
    """The headers of a mail for one-click unsubscription (RFC 8058); none without an address of the site.

    The address takes the provider's POST without cookies and leads a person on to the page.
    """
    root = str(site.runtime.config.site["url"])
    if not root:
        return {}
    return {
        "List-Unsubscribe": f"<{root}/api/v1/notices/optout/{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def read(site: Site, token: str) -> Optout:
    """What ``token`` asks for.

    :raises BadToken: when it was not made here.
    """
    try:
        text = _signer(site).unsign(token if len(token) <= MOST else "").decode("ascii")
        return _parse(text)
    except (BadData, ValueError, KeyError, binascii.Error):
        raise BadToken(FORGED) from None


def stands(unit: UnitOfWork, asked: Optout) -> bool:
    """Whether the refusal is in force already; changes nothing. Open: the token proves who asks.

    :raises BadToken: when the person is gone.
    """
    if asked.kind == CONTACT:
        return not _contact(unit, asked)[1]
    user_id = _user(unit, asked).id
    if asked.about == TOPIC:
        said = unit.session.get(TopicChoice, (user_id, asked.name))
        return said is not None and said.frequency == NEVER
    if asked.about == CHANNEL:
        return unit.session.get(ChosenChannel, (user_id, asked.name)) is None
    general = unit.session.get(Preference, user_id)
    return general is not None and general.inbox_only


def honour(unit: UnitOfWork, token: str) -> tuple[Optout, str]:
    """Do what ``token`` asks for; returns that and the token that takes it back (empty: nothing can).

    Open: the token proves who asks. Only the life-threat class goes out in spite of a refusal.

    :raises BadToken: when it was not made here, or the person is gone.
    """
    asked = read(unit.site, token)
    if asked.kind == CONTACT:
        return asked, _withdraw(unit, asked)
    user = _user(unit, asked)
    # One at a time for each person, so that two links at once cannot meet the same missing row.
    unit.session.execute(sa.select(User.id).where(User.id == user.id).with_for_update())
    before = _before(unit, user.id, asked)
    if asked.undo or not stands(unit, asked):
        {EVERYTHING: _everything, TOPIC: _topic, CHANNEL: _channel}[asked.about](unit, user.id, asked)
        what = f"{asked.about}:{asked.name}".rstrip(":")
        unit.record(
            "preferences.changed", "user", user.id, actor_for(user), by="link", what=what, undo=asked.undo
        )
    if asked.undo:
        return asked, _dump(unit.site, replace(asked, undo=False, before=""))
    return asked, _dump(unit.site, replace(asked, undo=True, before=before))


def _before(unit: UnitOfWork, user_id: int, asked: Optout) -> str:
    said = unit.session.get(TopicChoice, (user_id, asked.name)) if asked.about == TOPIC else None
    return said.frequency if said is not None and said.frequency != NEVER else ""


def _everything(unit: UnitOfWork, user_id: int, asked: Optout) -> None:
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(Preference).values(
        user_id=user_id, inbox_only=not asked.undo, impersonal=False, changed_at=unit.now
    )
    new = {"inbox_only": not asked.undo, "changed_at": unit.now}
    unit.session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=new))
    nothing = (
        Preference.inbox_only.is_(False),
        Preference.impersonal.is_(False),
        Preference.quiet_from.is_(None),
        Preference.daily_cap.is_(None),
    )
    unit.session.execute(sa.delete(Preference).where(Preference.user_id == user_id, *nothing))


def _topic(unit: UnitOfWork, user_id: int, asked: Optout) -> None:
    own = (TopicChoice.user_id == user_id, TopicChoice.topic == asked.name)
    frequency = asked.before if asked.undo else NEVER
    if frequency:
        insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
        row = insert(TopicChoice).values(
            user_id=user_id, topic=asked.name, frequency=frequency, channels=None
        )
        unit.session.execute(
            row.on_conflict_do_update(index_elements=["user_id", "topic"], set_={"frequency": frequency})
        )
        return
    # Nothing was said before: back to the default; channels chosen for the topic stay.
    usual = topic(unit.site, asked.name).frequency
    unit.session.execute(sa.delete(TopicChoice).where(*own, TopicChoice.channels.is_(None)))
    unit.session.execute(sa.update(TopicChoice).where(*own).values(frequency=usual))


def _channel(unit: UnitOfWork, user_id: int, asked: Optout) -> None:
    if not asked.undo:
        own = (ChosenChannel.user_id == user_id, ChosenChannel.channel == asked.name)
        unit.session.execute(sa.delete(ChosenChannel).where(*own))
        return
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(ChosenChannel).values(user_id=user_id, channel=asked.name, chosen_at=unit.now)
    unit.session.execute(row.on_conflict_do_nothing())


def _user(unit: UnitOfWork, asked: Optout) -> User:
    user = unit.session.scalars(sa.select(User).where(User.public_id == asked.public_id)).first()
    if user is None:
        raise BadToken(GONE)
    return user


def _contact(unit: UnitOfWork, asked: Optout) -> tuple[int, bool]:
    from keyun_notices.contacts.models import ACTIVE, Contact

    query = sa.select(Contact.id, Contact.state).where(Contact.public_id == asked.public_id)
    found = unit.session.execute(query).first()
    if found is None:
        raise BadToken(GONE)
    return found.id, found.state == ACTIVE


def _withdraw(unit: UnitOfWork, asked: Optout) -> str:
    """A contact has one consent and ends it whole; the number goes with it, so nothing brings it back."""
    from keyun_notices.contacts.consent import withdraw
    from keyun_notices.contacts.models import LINK

    withdraw(anonymous(), unit, _contact(unit, asked)[0], LINK)
    return ""


def _dump(site: Site, asked: Optout) -> str:
    number = base64.urlsafe_b64encode(uuid.UUID(asked.public_id).bytes).decode().rstrip("=")
    parts = [LETTERS[asked.kind], number, LETTERS[asked.about], asked.name]
    if asked.undo:
        parts += ["u", asked.before]
    return _signer(site).sign("~".join(parts).rstrip("~")).decode()


def _parse(text: str) -> Optout:
    """The parts of a signed text.

    :raises ValueError: or KeyError, when they do not make sense.
    """
    parts = [*text.split("~"), "", "", ""][:6]
    kind, number, about, name, undo, before = parts
    found = Optout(
        MARKS[kind],
        str(uuid.UUID(bytes=base64.urlsafe_b64decode(number + "=="))),
        MARKS[about],
        name,
        undo == "u",
        before,
    )
    named = found.about in (TOPIC, CHANNEL)
    if found.kind not in (ACCOUNT, CONTACT) or (named and not NAME.fullmatch(name)):
        raise ValueError("not a refusal")
    if before and before not in FREQUENCIES:
        raise ValueError("not a frequency")
    return found


def _signer(site: Site) -> Signer:
    return Signer(site.runtime.config.secret_file.read_bytes(), salt="notices.optout")
