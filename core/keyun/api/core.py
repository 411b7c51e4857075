"""The operations of the core: who one is, places, types, content and search."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import public
from keyun.accounts.models import User
from keyun.api import schemas
from keyun.api.operations import ApiBlueprint, operation
from keyun.api.paging import page
from keyun.api.values import item
from keyun.content.models import Content
from keyun.content.services import find, published
from keyun.errors import Invalid, Unauthenticated
from keyun.regions.codes import subtree
from keyun.search.port import Query
from keyun.search.services import search as ask
from keyun.web.context import actor, reading, site


def blueprint() -> ApiBlueprint:
    """The operations below ``/api/v1``."""
    api = ApiBlueprint("core-api", __name__, description="核心 / Core")
    code = "<string(length=6):code>"
    operation(api, "/me", me, schemas.MeSchema, "我的权限 / What the key may do")
    operation(
        api,
        f"/regions/{code}",
        region,
        schemas.RegionSchema,
        "行政区划 / A region",
        query=schemas.RegionArguments,
    )
    operation(api, f"/regions/{code}/children", children, schemas.PlacesSchema, "下级区划 / Regions below")
    operation(api, "/types", types, schemas.TypesSchema, "内容类型 / Content types")
    operation(
        api, "/content", contents, schemas.ItemPageSchema, "已公开的内容 / What is published",
        query=schemas.ItemArguments,
    )  # fmt: skip
    operation(api, "/content/<uuid:public_id>", content, schemas.ItemDetailSchema, "一条内容 / One item")
    operation(api, "/search", search, schemas.FoundSchema, "检索 / Search", query=schemas.SearchArguments)
    return api


@public
def me() -> dict[str, Any]:
    """Roles, verification level and organizations of the holder of the key or cookie."""
    if not actor().is_user:
        raise Unauthenticated("请带上密钥。 (Send a key: Authorization: Bearer …)")
    user = reading().session.get_one(User, actor().user_id)
    return {
        "id": user.public_id,
        "level": user.level,
        "region": user.region,
        "roles": [{"role": role, "region": where} for role, where in sorted(actor().grants)],
        "organizations": [
            {"id": m.organization.public_id, "name": m.organization.name} for m in user.memberships
        ],
    }


@public
def region(query: dict[str, Any], code: str) -> dict[str, Any]:
    """The place of a code on a day; a retired code leads to its successor or parent, and `note` says so."""
    tree = site().regions
    tree.get(code)
    found = tree.resolve(code, query["on"] or reading().today)
    return {
        "place": found.place,
        "path": tree.path(found.place.code),
        "full_name": tree.name(found.place.code),
        "note": found.note,
    }


@public
def children(code: str) -> dict[str, Any]:
    """The divisions right below a code, in code order."""
    tree = site().regions
    tree.get(code)
    return {"items": tree.children(code)}


@public
def types() -> dict[str, Any]:
    """The content types of the enabled plugins."""
    found = [
        {
            "name": t.name,
            "title": t.title,
            "title_en": t.title_en,
            "plugin": t.name.partition(".")[0],
            "searchable": t.name in site().sources,
        }
        for t in site().types.values()
    ]
    return {"items": found}


@public
def contents(query: dict[str, Any]) -> dict[str, Any]:
    """Published items, newest first, of one type or all, in a region and all below it."""
    unit = reading()
    wanted = sa.select(Content).where(published(unit.now)).options(joinedload(Content.organization))
    if query["type"] is not None:
        wanted = wanted.where(Content.type == site().content_type(query["type"]).name)
    if (code := _known(query["region"])) is not None:
        wanted = wanted.where(Content.region.between(*subtree(code)))
    keys: Sequence[Any] = (Content.published_at, Content.id)
    found = page(unit.session, wanted, keys, after=query["after"], limit=query["limit"])
    return {"items": [item(c) for c in found.items], "next": found.next}


@public
def content(public_id: uuid.UUID) -> dict[str, Any]:
    """One item with its text; drafts only for their owner and for reviewers."""
    one = find(actor(), reading(), Content, str(public_id))
    return item(one) | {"body": one.body}


@public
def search(query: dict[str, Any]) -> dict[str, Any]:
    """Words in what is published, best first; the runs say which parts matched."""
    kinds = () if query["type"] is None else (site().content_type(query["type"]).name,)
    limit, number = query["limit"], query["page"]
    text = query["q"].replace("\x00", " ")
    found = ask(actor(), reading(), Query(text, kinds, _known(query["region"]), (number - 1) * limit, limit))
    more = found.page.total > number * limit and number < schemas.MAX_PAGE
    return {
        "items": [
            {"score": h.score, "title": _runs(h.title), "snippet": _runs(h.snippet), "item": item(c)}
            for h, c in found.items
        ],
        "total": found.page.total,
        "dropped": found.page.dropped,
        "next_page": number + 1 if more else None,
    }


def _runs(parts: Sequence[tuple[str, bool]]) -> list[dict[str, Any]]:
    return [{"text": text, "match": match} for text, match in parts]


def _known(code: str | None) -> str | None:
    if code is not None and code not in site().regions:
        message = f"行政区划代码 {code} 不存在。 (Unknown region code.)"
        raise Invalid(message, {"region": [message]})
    return code
