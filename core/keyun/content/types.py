"""Values of the content engine: what a plugin declares, and what screening sees and says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import Schema

from keyun.access import Permission

if TYPE_CHECKING:
    from keyun.content.fields import ContentField
    from keyun.content.models import Content

#: A text of any kind is bounded; the database and the analyzers stay safe.
MAX_TITLE = 120
MAX_SUMMARY = 500
MAX_BODY = 20_000


@dataclass(frozen=True, slots=True)
class ContentType:
    """A kind of content that a plugin brings.

    ``name`` is ``<slot>.<type>`` and the polymorphic identity of ``model``; ``schema`` loads and dumps
    the fields people write; ``endpoint`` is the page of one item and takes ``public_id``. In
    ``site.types`` the schema also has the ``fields`` that other plugins add.
    """

    name: str
    model: type[Content]
    schema: type[Schema]
    endpoint: str
    title: str
    title_en: str
    level: int = 1
    fields: tuple[ContentField, ...] = ()

    def permissions(self) -> tuple[Permission, ...]:
        """The four permissions every type needs: create, edit, publish, withdraw."""
        everybody, editors = frozenset({"user", "admin"}), frozenset({"editor", "staff", "admin"})
        zh, en, name = self.title, self.title_en, self.name
        return (
            Permission(f"{name}.create", f"起草{zh}", f"draft {en}", everybody),
            Permission(f"{name}.edit", f"修改{zh}", f"edit {en}", editors, owner=True),
            Permission(
                f"{name}.publish", f"发布{zh}", f"publish {en}", editors, owner=True, level=self.level
            ),
            Permission(f"{name}.withdraw", f"撤回{zh}", f"withdraw {en}", editors, owner=True),
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A text before the public sees it, as the screening hook gets it."""

    type: str
    title: str
    summary: str
    body: str
    region: str | None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a screener says; no verdict means that the text may pass."""

    refused: bool
    reason: str

    @classmethod
    def hold(cls, reason: str) -> Verdict:
        """The text waits for a reviewer, who sees ``reason``."""
        return cls(False, reason)

    @classmethod
    def refuse(cls, reason: str) -> Verdict:
        """The text is not accepted; the writer sees ``reason`` and corrects it."""
        return cls(True, reason)


OUTCOMES = ("pass", "warn", "fail")


@dataclass(frozen=True, slots=True)
class ReviewCheck:
    """What a machine found in a text under review: ``name`` says what was looked at, ``text`` what was found.

    Both are 「中文 (English)」; ``detail`` is what the text itself says, such as a link. The ``outcome``
    is ``pass``, ``warn`` or ``fail``; it advises reviewers and decides nothing.
    """

    name: str
    outcome: str
    text: str
    detail: str = ""

    def __post_init__(self) -> None:
        texts = (self.name, self.text, self.detail)
        if self.outcome not in OUTCOMES or not all(isinstance(t, str) for t in texts):
            raise TypeError(f"a check has a name, one of {OUTCOMES} and a text, not {self.outcome!r}")

    @classmethod
    def passed(cls, name: str, text: str, detail: str = "") -> ReviewCheck:
        """Nothing is wrong."""
        return cls(name, "pass", text, detail)

    @classmethod
    def warned(cls, name: str, text: str, detail: str = "") -> ReviewCheck:
        """A reviewer should look at this."""
        return cls(name, "warn", text, detail)

    @classmethod
    def failed(cls, name: str, text: str, detail: str = "") -> ReviewCheck:
        """This should not become public as it is."""
        return cls(name, "fail", text, detail)
