"""Register, log in, verify, grant. Every function checks its permission first."""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from keyun.access import ROLES, Actor, anonymous
from keyun.accounts.models import Grant, Token, User
from keyun.accounts.passwords import check_password, hash_password
from keyun.accounts.schemas import ProfileSchema, RegistrationSchema
from keyun.db import refused_column
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.forms import load
from keyun.uow import UnitOfWork

TOKEN_PREFIX = "keyun_"
MAX_LOGIN = 254


def actor_for(user: User) -> Actor:
    """The actor that ``user`` is."""
    return Actor(
        user_id=user.id,
        login=user.login,
        name=user.name,
        level=user.level,
        grants=tuple((g.role, g.region) for g in user.grants),
        organizations=frozenset(m.organization_id for m in user.memberships),
    )


def register(actor: Actor, unit: UnitOfWork, data: dict[str, object]) -> User:
    """Open an account (level 0: it reads and drafts; publishing needs a verified phone).

    :raises Invalid: naming every field that was refused; a taken log-in name is one of them.
    """
    unit.require(actor, "core.account.register")
    values = load(RegistrationSchema(), data)
    password = values.pop("password")
    values["email"] = values.get("email") or None
    _check_region(unit, values.get("region"))
    for field in ("login", "email"):
        column = getattr(User, field)
        if values[field] and unit.session.scalar(sa.select(User.id).where(column == values[field])):
            raise _taken(field)
    user = User(**values, password_hash=hash_password(password), created_at=unit.now)
    user.grants, user.memberships = [], []
    unit.session.add(user)
    try:
        unit.session.flush()
    except IntegrityError as e:
        # Somebody else registered in this moment.
        raise _taken(refused_column(e, "login", "email")) from None
    unit.record("user.registered", "user", user.id, actor_for(user))
    return user


def authenticate(unit: UnitOfWork, login: str, password: str) -> User:
    """Return the active user that ``login`` is, as the plugins or else the core's passwords say.

    Give it a unit that has read nothing yet: a plugin may open the account only now.

    :raises Forbidden: with one text for every cause, so that nobody learns which accounts exist.
    """
    # Open to everyone by nature: this is how a visitor becomes an actor.
    try:
        found = unit.site.plugins.authenticate(login.strip()[:MAX_LOGIN], password)
    except Forbidden:
        # A refusal takes as long as a wrong password.
        check_password(None, password)
        found = None
    user = unit.session.get(User, found.id) if found is not None and found.id is not None else None
    if user is None or not user.active:
        raise Forbidden("用户名或密码不对。 (Wrong name or password.)")
    return user


def by_password(unit: UnitOfWork, login: str, password: str) -> User | None:
    """The user of ``login`` (name, e-mail or phone) and ``password``; takes as long when there is none."""
    user = user_called(unit, login)
    return user if check_password(user.password_hash if user else None, password) else None


def user_called(unit: UnitOfWork, login: str) -> User | None:
    """The user whose name, e-mail or phone ``login`` is."""
    query = sa.select(User).where(sa.or_(User.login == login, User.email == login, User.phone == login))
    return unit.session.scalars(query).first() if login else None


def change_profile(actor: Actor, unit: UnitOfWork, user: User, data: dict[str, object]) -> User:
    """Change one's own name and region."""
    unit.require(actor, "core.account.edit", user)
    values = load(ProfileSchema(), data)
    _check_region(unit, values.get("region"))
    user.name, user.region = values["name"], values["region"]
    unit.record("user.changed", "user", user.id, actor)
    return user


def want_mail(actor: Actor, unit: UnitOfWork, user: User, wanted: bool) -> None:
    """Say whether ``user`` wants to be told by e-mail what happened."""
    unit.require(actor, "core.account.edit", user)
    user.mail_wanted = wanted
    unit.record("user.changed", "user", user.id, actor)


def set_password(actor: Actor, unit: UnitOfWork, user: User, password: str) -> None:
    """Give ``user`` a new password."""
    unit.require(actor, "core.account.edit", user)
    user.password_hash = hash_password(password)
    unit.record("user.password-changed", "user", user.id, actor)


def verify_user(actor: Actor, unit: UnitOfWork, user: User, level: int) -> None:
    """Set the verification level of ``user``; nobody verifies himself."""
    unit.require(actor, "core.account.verify", _At(user.region))
    _not_oneself(actor, user)
    if not 0 <= level <= 3:
        raise Invalid(f"level {level} must be 0, 1, 2 or 3")
    user.level = level
    unit.record("user.verified", "user", user.id, actor, level=level)


def deactivate_user(actor: Actor, unit: UnitOfWork, user: User) -> None:
    """Close an account: it cannot log in, and its keys no longer work."""
    unit.require(actor, "core.account.verify", _At(user.region))
    user.active = False
    unit.record("user.deactivated", "user", user.id, actor)


def grant_role(actor: Actor, unit: UnitOfWork, user: User, role: str, region: str) -> None:
    """Give ``user`` the ``role`` for ``region`` and below; granting it again changes nothing."""
    unit.require(actor, "core.role.grant", _At(region))
    _not_oneself(actor, user)
    if role not in ROLES[2:]:
        raise Invalid(f"role {role!r} must be one of {', '.join(ROLES[2:])}")
    _check_region(unit, region)
    if not any(g.role == role and g.region == region for g in user.grants):
        user.grants.append(Grant(user_id=user.id, role=role, region=region))
        unit.record("role.granted", "user", user.id, actor, role=role, region=region)


def revoke_role(actor: Actor, unit: UnitOfWork, user: User, role: str, region: str) -> None:
    """Take a role away."""
    unit.require(actor, "core.role.grant", _At(region))
    gone = unit.session.execute(
        sa.delete(Grant).where(Grant.user_id == user.id, Grant.role == role, Grant.region == region)
    )
    if not gone.rowcount:  # type: ignore[attr-defined]
        raise NotFound(f"{user.login} does not have role {role} for {region}")
    unit.session.expire(user, ["grants"])
    unit.record("role.revoked", "user", user.id, actor, role=role, region=region)


def create_token(actor: Actor, unit: UnitOfWork, user: User, name: str) -> str:
    """Make a key for programs and return it; it is shown this once only."""
    unit.require(actor, "core.account.edit", user)
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    unit.session.add(Token(user_id=user.id, name=name[:60], digest=_digest(secret), created_at=unit.now))
    unit.record("token.created", "user", user.id, actor, token=name[:60])
    return secret


def token_actor(unit: UnitOfWork, secret: str) -> Actor:
    """The actor of a key; a visitor when the key is unknown."""
    query = sa.select(User).join(Token, Token.user_id == User.id).where(Token.digest == _digest(secret))
    user = unit.session.scalars(query).first()
    return actor_for(user) if user is not None and user.active else anonymous()


def find_user(unit: UnitOfWork, login: str) -> User:
    """Return the user of ``login``.

    :raises NotFound: when there is none.
    """
    user = unit.session.scalars(sa.select(User).where(User.login == login)).first()
    if user is None:
        raise NotFound(f"no user {login!r}; list them with `keyun users list`")
    return user


def _taken(field: str) -> Invalid:
    message = "已被使用，请换一个。 (Already taken.)"
    return Invalid(f"{field}: {message}", {field: [message]})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_region(unit: UnitOfWork, code: object) -> None:
    if code and code not in unit.site.regions:
        message = f"行政区划代码 {code} 不存在。 (Unknown region code.)"
        raise Invalid(message, {"region": [message]})


def _not_oneself(actor: Actor, user: User) -> None:
    if not actor.is_system and actor.user_id == user.id:
        raise Conflict("不能给自己授权或认证。 (Nobody grants or verifies himself.)")


class _At:
    """A region as the subject of a permission; it belongs to nobody: no owner's shortcut."""

    owner_id = None
    organization_id = None

    def __init__(self, region: str | None) -> None:
        self.region = region
