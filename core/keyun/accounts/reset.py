"""A new password for somebody who forgot the old one: a link by mail, good once and for an hour.

The page answers every name alike; who it belongs to is looked up by the job, so the time it takes
tells nothing either. The link is signed and carries a mark of the password and the address it was
made for: using it, or changing either, ends it.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer

from keyun.access import anonymous
from keyun.accounts.models import User
from keyun.accounts.passwords import hash_password, stamp
from keyun.accounts.services import MAX_LOGIN, actor_for, user_called
from keyun.db import public_id
from keyun.errors import Forbidden
from keyun.events.models import Event
from keyun.jobs import GiveUp, Job
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
JOB = "core.reset"
ASKED = "user.reset-asked"
GOOD_FOR = dt.timedelta(hours=1)
#: How many links one account gets in that time, whoever asks for them.
MOST = 3


def available(site: Site) -> bool:
    """Whether a link can be sent here: mail is served, and the address of the site is known."""
    from keyun.messages import can_send

    return bool(site.runtime.config.site["url"]) and can_send(site)


def ask(unit: UnitOfWork, login: str) -> None:
    """Let the job send a link to whoever is called ``login``; says nothing about who that is."""
    # Open to everyone by nature, like the log-in.
    if who := login.strip()[:MAX_LOGIN]:
        unit.enqueue(JOB, login=who, message_id=public_id())


def owner(unit: UnitOfWork, token: str) -> User:
    """The user for whom the link was made.

    :raises Forbidden: with one text when it is forged, used, too old, or the account is closed.
    """
    try:
        number, mark, until = _serializer(unit.site).loads(token)
        user = unit.session.get(User, number)
    except (BadData, TypeError, ValueError):
        user, mark, until = None, "", 0
    if user is None or not user.active or mark != _mark(user) or until < unit.now.timestamp():
        raise Forbidden("链接已失效，请重新申请。 (This link is no longer good; ask for a new one.)")
    return user


def reset(unit: UnitOfWork, token: str, password: str) -> User:
    """Give the user of the link a new password; every session and every other link of his ends."""
    # Open to everyone by nature: the link proves who asks.
    user = owner(unit, token)
    user.password_hash = hash_password(password)
    unit.record("user.password-changed", "user", user.id, actor_for(user))
    return user


def job() -> Job:
    """The job that sends the link; the name that was typed is forgotten with it."""
    return Job(JOB, _send, keep=False)


def _send(site: Site, login: str, message_id: str) -> None:
    from keyun.messages import MAIL, Message
    from keyun.messages.services import hand_over

    if not available(site):
        raise GiveUp("no link can be sent: set [mail] and [site] url in keyun.toml")
    with site.reading() as unit:
        user = user_called(unit, login)
        if user is None or not user.active or not user.email or _too_many(unit, user):
            return
        until = int((unit.now + GOOD_FOR).timestamp())
    token = _serializer(site).dumps([user.id, _mark(user), until])
    subject, text = _words(site, f"{site.runtime.config.site['url']}/account/reset?token={token}")
    hand_over(site, Message(message_id, MAIL, user.email, subject, text, "core.password-reset"))
    with site.writing() as unit:
        unit.record(ASKED, "user", user.id, anonymous())


def _too_many(unit: UnitOfWork, user: User) -> bool:
    asked = sa.select(sa.func.count()).where(
        Event.subject_id == user.id,
        Event.subject_type == "user",
        Event.name == ASKED,
        Event.at > unit.now - GOOD_FOR,
    )
    if int(unit.session.scalar(asked) or 0) < MOST:
        return False
    log.warning("user %d asked for a new password too often; no link is sent", user.id)
    return True


def _words(site: Site, link: str) -> tuple[str, str]:
    """Subject and text, Chinese first: nobody is logged in, so no language is known."""
    title = site.runtime.config.site
    text = (
        f"有人（可能是您）在{title['title']}申请重设密码。请在一小时内打开下面的链接，设置新密码：\n\n{link}\n\n"
        "链接只能用一次。如果不是您申请的，不必理会，原密码仍然有效。\n\n"
        f"Somebody, perhaps you, asked for a new password at {title['title_en']}. Open the link above within"
        " one hour to set one. It works once. If it was not you, do nothing: your password stays as it is.\n"
    )
    return f"{title['title']}：重设密码 (reset your password)", text


def _serializer(site: Site) -> URLSafeSerializer:
    return URLSafeSerializer(site.runtime.config.secret_file.read_bytes(), salt=JOB)


def _mark(user: User) -> str:
    return stamp(user.public_id, user.password_hash, user.email)
