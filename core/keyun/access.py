"""Who may do what: actors, permissions, and the marks every view carries. Closed by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from keyun.errors import Forbidden

__all__ = ["ROLES", "Access", "Actor", "Owned", "Permission", "anonymous", "public", "requires", "system"]

F = TypeVar("F", bound=Callable[..., Any])
PUBLIC = "public"
#: Roles in the order of trust. The first two are never granted: a visitor is anyone, who is logged in a user.
ROLES = ("anyone", "user", "broker", "editor", "reviewer", "staff", "admin")


class Owned(Protocol):
    """A subject that belongs to a user or an organization and lies in a region."""

    @property
    def region(self) -> str | None: ...
    @property
    def owner_id(self) -> int | None: ...
    @property
    def organization_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks for something: a visitor, a user with roles for regions, or the system itself."""

    user_id: int | None = None
    login: str = ""
    name: str = ""
    level: int = 0
    grants: tuple[tuple[str, str], ...] = ()
    organizations: frozenset[int] = frozenset()
    is_system: bool = False

    @property
    def is_user(self) -> bool:
        """Whether somebody is logged in."""
        return self.user_id is not None

    def roles(self, region: str | None) -> set[str]:
        """The roles this actor has in ``region`` (None: anywhere)."""
        # Late, because regions stand on the database, and a command that only shows help needs none.
        from keyun.regions.codes import contains

        held = {role for role, where in self.grants if region is None or contains(where, region)}
        return held | ({"anyone", "user"} if self.is_user else {"anyone"})

    def owns(self, subject: Owned) -> bool:
        """Whether the subject belongs to this user or to an organization the user acts for."""
        if not self.is_user:
            return False
        return subject.owner_id == self.user_id or subject.organization_id in self.organizations


def anonymous() -> Actor:
    """A visitor who has not logged in."""
    return Actor()


def system() -> Actor:
    """The operator at the command line, or a background job."""
    return Actor(login="system", level=3, is_system=True)


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that can be allowed, named ``<slot>.<object>.<verb>``.

    ``roles`` may do it anywhere their grant reaches, the ``owner`` may do it to what is his own;
    both need the verification ``level`` (0 none, 1 phone, 2 identity, 3 profession).
    """

    name: str
    title: str
    title_en: str
    roles: frozenset[str]
    owner: bool = False
    level: int = 0


@dataclass(frozen=True, slots=True)
class Access:
    """The declared permissions of one site. What is not declared is denied."""

    permissions: Mapping[str, Permission] = field(default_factory=dict)

    @classmethod
    def of(cls, permissions: Iterable[Permission]) -> Access:
        """Collect ``permissions``; a name declared twice is an error."""
        found: dict[str, Permission] = {}
        for p in permissions:
            if p.name in found:
                raise ValueError(f"permission {p.name} is declared twice")
            if unknown := p.roles - set(ROLES):
                raise ValueError(f"permission {p.name} names unknown role(s) {', '.join(sorted(unknown))}")
            found[p.name] = p
        return cls(found)

    def allows(self, actor: Actor, name: str, subject: Owned | None = None) -> bool:
        """Say whether ``actor`` may do ``name`` (to ``subject``)."""
        if actor.is_system:
            return True
        permission = self.permissions.get(name)
        if permission is None or actor.level < permission.level:
            return False
        if actor.roles(subject.region if subject is not None else None) & permission.roles:
            return True
        return permission.owner and subject is not None and actor.owns(subject)

    def regions(self, actor: Actor, name: str) -> list[str]:
        """The regions for which a role of ``actor`` allows ``name``; each stands for what lies below it."""
        from keyun.regions.codes import COUNTRY

        permission = self.permissions.get(name)
        roles = permission.roles if permission else frozenset()
        return [COUNTRY] if actor.is_system else [region for role, region in actor.grants if role in roles]

    def require(self, actor: Actor, name: str, subject: Owned | None = None) -> None:
        """Return if ``actor`` may do ``name``; otherwise say what is missing.

        :raises Forbidden: with the reason in words.
        """
        if self.allows(actor, name, subject):
            return
        permission = self.permissions.get(name)
        if permission is not None and actor.is_user and actor.level < permission.level:
            raise Forbidden(
                f"「{permission.title}」需要{_LEVELS[permission.level]}，请联系服务中心完成认证。"
                f" ({permission.title_en} needs verification level {permission.level}.)"
            )
        title = f"「{permission.title}」" if permission else name
        raise Forbidden(f"没有权限：{title}。 (You may not do this: {name}.)")


_LEVELS = ("", "手机认证", "实名认证", "职业认证")


def public(view: F) -> F:
    """Mark ``view`` as open to everyone."""
    view.keyun_access = PUBLIC  # type: ignore[attr-defined]
    return view


def requires(permission: str) -> Callable[[F], F]:
    """Mark ``view`` as open to holders of ``permission``; the service checks the subject again.

    The web shell asks before it calls a marked view. A visitor is sent to the log-in page.
    """

    def decorate(view: F) -> F:
        view.keyun_access = permission  # type: ignore[attr-defined]
        return view

    return decorate
