"""A marketplace with a few offers, people and needs in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from keyun.access import Actor
from keyun.accounts import User, actor_for
from keyun.content import Content, create
from keyun.site import Site
from keyun.testing import make_organization, make_user
from keyun_marketplace import services

NEED = "我们合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"


@dataclass
class Market:
    """A site with the marketplace, and the people in it by log-in name."""

    site: Site

    def user(self, login: str, **more: Any) -> User:
        """Somebody who may publish."""
        with self.site.writing() as unit:
            return make_user(unit, login, **{"level": 2, **more})

    def actor(self, login: str) -> Actor:
        """The actor of ``login`` as he is now."""
        from keyun.accounts.services import find_user

        with self.site.reading() as unit:
            return actor_for(find_user(unit, login))

    def offer(self, actor: Actor, title: str, body: str, **more: Any) -> Content:
        """A published offer."""
        data = {"title": title, "body": body, "region": "511402", **more}
        with self.site.writing() as unit:
            item = create(actor, unit, services.offer_type(), data)
            return services.publish_item(actor, unit, item)

    def need(self, actor: Actor, text: str = NEED, region: str = "511424") -> Content:
        """A need posted in one sentence."""
        with self.site.writing() as unit:
            return services.post_sentence(actor, unit, {"text": text, "region": region})


@pytest.fixture
def market_config() -> dict[str, Any]:
    """What a module wants to stand in ``keyun.toml``."""
    return {}


@pytest.fixture
def market(make_site: Callable[..., Site], market_config: dict[str, Any]) -> Market:
    """A marketplace where nothing is published yet."""
    return Market(make_site("marketplace", config=market_config))


@pytest.fixture
def full_market(market: Market) -> Market:
    """A marketplace with an expert's offers, a person who agreed to be found, and an asker."""
    market.user("asker")
    expert = market.user("expert", region="511402")
    market.user("helper", name="王不露名", region="511424")
    with market.site.writing() as unit:
        make_organization(unit, "演示果树研究所", kind="institute")
    who = actor_for(expert)
    market.offer(
        who,
        "柑橘黄龙病 PCR 检测",
        "采叶片做黄龙病检测，三天出报告",
        keywords="黄龙病，检测",
        discipline="植物保护",
    )
    market.offer(
        who, "柑橘木虱统防统治", "无人机防控木虱，按梢期用药", keywords="木虱", discipline="植物保护"
    )
    market.offer(who, "钒钛合金真空熔炼", "真空感应熔炼钒钛合金", keywords="钒钛", discipline="冶金与钒钛")
    with market.site.writing() as unit:
        profile = {
            "title": "高级农艺师",
            "keywords": "柑橘，黄龙病诊断",
            "summary": "到果园诊断黄龙病",
            "findable": "true",
        }
        services.save_profile(market.actor("helper"), unit, profile)
    return market
