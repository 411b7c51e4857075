"""A level of green certification on the offers of the marketplace, which knows nothing of it.

The four levels are made up for this example; they stand for no real scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import Blueprint, render_template
from flask_babel import lazy_gettext as _
from marshmallow import Schema, fields, validate

from keyun.access import Actor
from keyun.content import Choice, ContentField
from keyun.plugins import MenuItem, Plugin, hookimpl, public
from keyun_marketplace.scoring import Bonus

LEVELS = (
    Choice("none", "未认证", "not certified"),
    Choice("one", "一星", "one star"),
    Choice("two", "二星", "two stars"),
    Choice("three", "三星", "three stars"),
)
LEVEL = ContentField(
    type="marketplace.offer",
    name="level",
    field=fields.String(load_default="none"),
    title="绿色认证等级",
    title_en="Green certification",
    choices=LEVELS,
    filter=True,
    help="没有证书请选“未认证”。",
    help_en="Choose “not certified” without a certificate.",
)
#: How much of the score of the words each level adds to a match.
SHARES: Mapping[str, float] = {"one": 0.02, "two": 0.04, "three": 0.06}


class Settings(Schema):
    """``[plugin.greenmark]``."""

    #: All shares are multiplied by this; 0 leaves matching alone.
    weight = fields.Float(load_default=1.0, validate=validate.Range(0, 10))


class GreenmarkPlugin(Plugin):
    """Green certification of offers."""

    settings_schema = Settings

    @hookimpl
    def keyun_content_fields(self) -> Iterable[ContentField]:
        yield LEVEL

    @hookimpl
    def keyun_marketplace_bonuses(self) -> Iterable[Bonus]:
        weight = self.settings["weight"]
        yield Bonus("greenmark.level", {level: share * weight for level, share in SHARES.items()})

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        pages = Blueprint(self.slot, __name__)
        pages.add_url_rule("/", "index", index)
        yield pages

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("greenmark.index", _("绿色标识"), 60)


@public
def index() -> str:
    """What the levels mean, with a link to the offers of each."""
    return render_template("greenmark/index.html", levels=LEVELS)
