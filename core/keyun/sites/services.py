"""Add, change and remove sub-sites. Every function checks its permission first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from keyun.access import Actor
from keyun.admin.access import Territory
from keyun.content import Content, published
from keyun.content.services import whole
from keyun.db import refused_column
from keyun.errors import Invalid, NotFound
from keyun.forms import load
from keyun.regions import subtree
from keyun.sites.directory import forget
from keyun.sites.models import SubSite
from keyun.sites.schemas import SubSiteForm
from keyun.uow import UnitOfWork

EDIT = "core.subsite.edit"
#: How many new items the home page of a sub-site shows.
NEWEST = 12


def list_sites(actor: Actor, unit: UnitOfWork) -> Sequence[SubSite]:
    """The sub-sites whose regions ``actor`` answers for, by slug."""
    unit.require(actor, EDIT)
    found = unit.session.scalars(sa.select(SubSite).order_by(SubSite.slug))
    return [s for s in found if unit.site.access.allows(actor, EDIT, s)]


def find_site(actor: Actor, unit: UnitOfWork, slug: str) -> SubSite:
    """The sub-site ``slug``, to change it.

    :raises NotFound: when there is none.
    """
    unit.require(actor, EDIT)
    found = unit.session.scalars(sa.select(SubSite).where(SubSite.slug == slug)).first()
    if found is None:
        raise NotFound(f"没有子站 {slug}。 (No sub-site {slug}; see `keyun sites list`.)")
    unit.require(actor, EDIT, found)
    return found


def add_site(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> SubSite:
    """Open a sub-site; every process serves it within two seconds.

    :raises Invalid: naming every field that was refused, and what is possible there.
    """
    unit.require(actor, EDIT)
    values = load(SubSiteForm(), data)
    _check(actor, unit, values)
    made = SubSite(**values, created_at=unit.now, changed_at=unit.now)
    unit.session.add(made)
    _flush(unit)
    _record(actor, unit, "subsite.added", made)
    return made


def change_site(actor: Actor, unit: UnitOfWork, found: SubSite, data: Mapping[str, Any]) -> bool:
    """Change what ``data`` names; whether anything differed."""
    unit.require(actor, EDIT, found)
    values = load(SubSiteForm(), data, partial=True)
    _check(actor, unit, values)
    new = {name: value for name, value in values.items() if getattr(found, name) != value}
    if not new:
        return False
    for name, value in new.items():
        setattr(found, name, value)
    found.changed_at = unit.now
    _flush(unit)
    _record(actor, unit, "subsite.changed", found, fields=sorted(new))
    return True


def remove_site(actor: Actor, unit: UnitOfWork, found: SubSite) -> None:
    """Remove a sub-site; contents belong to regions, so none is lost."""
    unit.require(actor, EDIT, found)
    _record(actor, unit, "subsite.removed", found)
    unit.session.delete(found)


def menu_choices(unit: UnitOfWork) -> dict[str, str]:
    """What a menu may name: the slots of installed plugins with a title."""
    manifests = unit.site.plugins.installation.manifests.values()
    # Of several plugins for one slot, the one that the slot is named after gives the title.
    ordered = sorted(manifests, key=lambda m: (m.slot, m.name == m.slot))
    return {m.slot: m.title for m in ordered}


def newest(unit: UnitOfWork, region: str, slots: Sequence[str] = ()) -> Sequence[Content]:
    """What was published last in ``region``, of the plugins in ``slots`` or all; it is public."""
    types = [t for t in unit.site.types if not slots or t.partition(".")[0] in slots]
    query = (
        sa.select(Content)
        .where(Content.type.in_(types), Content.region.between(*subtree(region)))
        .where(published(unit.now), whole(unit))
        .order_by(Content.published_at.desc(), Content.id.desc())
    )
    return unit.session.scalars(query.limit(NEWEST)).all()


def home_text(unit: UnitOfWork, slug: str) -> str:
    """The text of the home page of a sub-site; everybody may read it."""
    return unit.session.scalar(sa.select(SubSite.home).where(SubSite.slug == slug)) or ""


def _check(actor: Actor, unit: UnitOfWork, values: Mapping[str, Any]) -> None:
    """What the form cannot know: regions, menu entries, and the address of the main site."""
    wrong: dict[str, list[str]] = {}
    region = values.get("region")
    if region and region not in unit.site.regions:
        wrong["region"] = [f"行政区划代码 {region} 不存在，如 511421。 (Unknown region code {region}.)"]
    elif region and unit.site.regions.get(region).kind == "retired":
        wrong["region"] = [f"行政区划代码 {region} 已撤销。 (Retired; see `keyun regions show {region}`.)"]
    possible = menu_choices(unit)
    if unknown := [e for e in values.get("menu", ()) if e not in possible]:
        wrong["menu"] = [
            f"菜单里没有 {'、'.join(unknown)}；可选：{'、'.join(possible)}。"
            f" (No menu entry {', '.join(unknown)}; possible: {', '.join(possible)}.)"
        ]
    host, main = values.get("host"), unit.site.runtime.config.site["url"]
    if host and main and main.partition("://")[2].partition(":")[0].lower() == host:
        wrong["host"] = [f"{host} 是主站的域名。 ({host} is the main site's.)"]
    if wrong:
        raise Invalid(" ".join(t for texts in wrong.values() for t in texts), wrong)
    if region:
        unit.require(actor, EDIT, Territory(region))


def _flush(unit: UnitOfWork) -> None:
    """Let the database judge what must be unique; two administrators may ask at once."""
    try:
        unit.session.flush()
    except IntegrityError as e:
        field = refused_column(e, "slug", "host")
        text = "已被另一个子站使用，请换一个。 (Another sub-site uses it.)"
        raise Invalid(text, {field: [text]}) from None


def _record(actor: Actor, unit: UnitOfWork, event: str, found: SubSite, **data: Any) -> None:
    unit.record(event, "subsite", found.id, actor, slug=found.slug, **data)
    unit.after_commit(lambda: forget(unit.site.runtime))
