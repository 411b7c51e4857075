"""A site with an article, its editor, and files of all sorts."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from keyun.access import Actor, system
from keyun.accounts import User, actor_for
from keyun.content import Content, create, find, publish
from keyun.files import Attachment, attach, attachments, receive
from keyun.files.store import store
from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import make_user
from keyun.testing.makers import MakeSite

ARTICLE = {
    "title": "柑橘黄龙病如何识别", "summary": "看叶看果", "body": "斑驳黄化", "category": "agriculture",
    "source": "《柑橘植保》", "voucher": "示范学会", "region": "511402",
}  # fmt: skip
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF\n"


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    """A picture of one colour."""
    image = pytest.importorskip("PIL.Image").new(more.pop("mode", "RGB"), size, more.pop("colour", "green"))
    target = io.BytesIO()
    image.save(target, kind, **more)
    return target.getvalue()


@dataclass
class Shelf:
    """A site with one public article of an editor."""

    site: Site
    editor: Actor
    user: User
    item: str

    def bring(self, content: bytes, name: str = "a.bin", alt: str = "一片黄叶", **more: str) -> Attachment:
        """Upload as a page does."""
        received = receive(self.site, io.BytesIO(content), name)
        with self.site.writing() as unit:
            item = find(self.editor, unit, Content, self.item)
            return attach(self.editor, unit, item, received, alt=alt, **more)

    def files(self) -> list[Attachment]:
        with self.site.reading() as unit:
            item = find(system(), unit, Content, self.item)
            return list(attachments(unit, [item]).get(item.id, []))

    def lying(self) -> set[str]:
        """What lies in the store."""
        return set(store(self.site.runtime).names())

    def work(self) -> None:
        """Run what waits, and the hourly sweep."""
        self.site.jobs["core.files-sweep"].run(self.site)
        Worker(self.site).drain()


MakeShelf = Callable[..., Shelf]


@pytest.fixture
def make_shelf(make_site: MakeSite) -> MakeShelf:
    def make(config: Mapping[str, Any] | None = None) -> Shelf:
        site = make_site("popsci", config=config)
        with site.writing() as unit:
            user = make_user(unit, "editor", level=2, roles=[("editor", "511400")])
            editor = actor_for(user)
            kind = site.types["popsci.article"]
            item = publish(editor, unit, create(editor, unit, kind, ARTICLE))
            return Shelf(site, editor, user, item.public_id)

    return make


@pytest.fixture
def shelf(make_shelf: MakeShelf) -> Shelf:
    return make_shelf()
