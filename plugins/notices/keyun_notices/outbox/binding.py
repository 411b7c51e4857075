"""Which follower of the official account, and which browsers, belong to an account; each person his own."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite
from keyun.errors import Invalid, NotFound
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels import webpush, wechat
from keyun_notices.outbox.failover import revive
from keyun_notices.outbox.models import PushSubscription, WechatBinding, WechatCode
from keyun_notices.preferences.services import own

#: Letters that are not taken for one another; eight of them are 40 bits, good for ten minutes.
ALPHABET, LENGTH = "ABCDEFGHJKMNPQRSTUVWXYZ23456789", 8
GOOD_FOR = dt.timedelta(minutes=10)
NO_WECHAT = "本站没有接通微信公众号。 (No WeChat account is configured here.)"
NO_PUSH = "本站没有接通浏览器推送。 (Web Push is not configured here.)"
BAD_ENDPOINT = "推送地址须是 https 地址。 (The endpoint must be an https address.)"


@dataclass(frozen=True, slots=True)
class Code:
    """What somebody sends to the official account to be known there."""

    code: str
    good_until: dt.datetime


def wechat_settings(site: Site) -> Mapping[str, str]:
    """``[plugin.notices.wechat]``.

    :raises NotFound: when it is not configured.
    """
    found: Mapping[str, str] | None = site.plugins.settings("notices")["wechat"]
    if found is None:
        raise NotFound(NO_WECHAT)
    return found


def is_bound(actor: Actor, unit: UnitOfWork) -> bool:
    """Whether the actor's account is bound to a follower; :func:`own` checks who asks."""
    user = own(actor, unit)
    return (
        unit.session.scalar(sa.select(WechatBinding.id).where(WechatBinding.user_id == user.id)) is not None
    )


def new_code(actor: Actor, unit: UnitOfWork) -> Code:
    """A code that binds the actor's account, good once; an older one ends. :func:`own` checks who asks."""
    user = own(actor, unit)
    wechat_settings(unit.site)
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    until = unit.now + GOOD_FOR
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(WechatCode)
    new = {"digest": _digest(unit.site, code), "good_until": until}
    row = insert.values(user_id=user.id, **new)
    unit.session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=new))
    return Code(code, until)


def bind(unit: UnitOfWork, openid: str, code: str) -> bool:
    """Bind the account of ``code`` to the follower; False when the code is wrong, used or too old.

    A follower is one account and an account one follower: older bindings of both end. Open: WeChat says
    who sent the code, and the code says which account it was shown to.
    """
    mark = _digest(unit.site, code.strip().upper())
    used = (
        sa.delete(WechatCode)
        .where(WechatCode.digest == mark, WechatCode.good_until > unit.now)
        .returning(WechatCode.user_id)
        .execution_options(synchronize_session=False)
    )
    user_id = unit.session.execute(used).scalar_one_or_none()
    if user_id is None:
        return False
    older = sa.or_(WechatBinding.user_id == user_id, WechatBinding.openid == openid)
    unit.session.execute(sa.delete(WechatBinding).where(older))
    unit.session.add(WechatBinding(user_id=user_id, openid=openid, bound_at=unit.now))
    revive(unit, wechat.NAME, openid)
    return True


def unbind(actor: Actor, unit: UnitOfWork) -> None:
    """End the binding of the actor's account; :func:`own` checks who asks."""
    user = own(actor, unit)
    unit.session.execute(sa.delete(WechatBinding).where(WechatBinding.user_id == user.id))


def left(unit: UnitOfWork, openid: str) -> None:
    """The follower left the official account. Open: WeChat says so, and the signature was checked."""
    unit.session.execute(sa.delete(WechatBinding).where(WechatBinding.openid == openid))


def subscribe(actor: Actor, unit: UnitOfWork, endpoint: str, p256dh: str, auth: str) -> None:
    """Push to a browser of the actor from now on; :func:`own` checks who asks.

    The newest few are kept. An endpoint that another account had moves over: it is one browser.

    :raises Invalid: when the address is not https.
    """
    user = own(actor, unit)
    settings = unit.site.plugins.settings("notices")
    if settings["webpush"] is None:
        raise NotFound(NO_PUSH)
    if urlsplit(endpoint).scheme != "https" and not settings["private_webhooks"]:
        raise Invalid(BAD_ENDPOINT, {"endpoint": [BAD_ENDPOINT]})
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(PushSubscription)
    new = {"user_id": user.id, "p256dh": p256dh, "auth": auth, "created_at": unit.now}
    row = insert.values(endpoint=endpoint, digest=webpush.digest(endpoint), **new)
    unit.session.execute(row.on_conflict_do_update(index_elements=["digest"], set_=new))
    mine = sa.select(PushSubscription.id).where(PushSubscription.user_id == user.id)
    kept = mine.order_by(PushSubscription.created_at.desc(), PushSubscription.id.desc())
    older = sa.delete(PushSubscription).where(
        PushSubscription.user_id == user.id, PushSubscription.id.not_in(kept.limit(webpush.MOST_BROWSERS))
    )
    unit.session.execute(older.execution_options(synchronize_session=False))


def unsubscribe(actor: Actor, unit: UnitOfWork, endpoint: str) -> None:
    """Push to this browser of the actor no more; :func:`own` checks who asks."""
    user = own(actor, unit)
    mine = (PushSubscription.user_id == user.id, PushSubscription.digest == webpush.digest(endpoint))
    unit.session.execute(sa.delete(PushSubscription).where(*mine))


def _digest(site: Site, code: str) -> str:
    secret = site.runtime.derived("notices.outbox.key", site.runtime.config.secret_file.read_bytes)
    return hmac.new(secret, f"notices.wechat-code {code}".encode(), hashlib.sha256).hexdigest()
