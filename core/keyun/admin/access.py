"""Who may administer: the machinery belongs to the whole site, so a role for one county does not reach it."""

from __future__ import annotations

from dataclasses import dataclass

from keyun.access import Actor
from keyun.site import Site
from keyun.uow import UnitOfWork

VIEW, MANAGE = "core.system.view", "core.system.manage"


@dataclass(frozen=True, slots=True)
class Territory:
    """A region as the subject of a permission; nobody owns it."""

    region: str | None
    owner_id: int | None = None
    organization_id: int | None = None


def whole(site: Site) -> Territory:
    """Everything that this site serves."""
    return Territory(site.runtime.config.site["region"])


def require_view(actor: Actor, unit: UnitOfWork) -> None:
    """Stop unless ``actor`` may look at the machinery."""
    unit.require(actor, VIEW, whole(unit.site))


def require_manage(actor: Actor, unit: UnitOfWork) -> None:
    """Stop unless ``actor`` may act on the machinery."""
    unit.require(actor, MANAGE, whole(unit.site))
