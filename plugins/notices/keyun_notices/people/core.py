"""The attributes that this plugin declares itself: from accounts, organizations and profiles."""

from __future__ import annotations

import sqlalchemy as sa

from keyun.accounts import Membership, Organization, User
from keyun_notices.audience.attributes import Attribute, Choice
from keyun_notices.people.models import Interest, Profile

#: From this verification level on somebody is a worker: his profession was verified.
WORKER_LEVEL = 3

LEVELS = (
    Choice(0, "未认证", "not verified"),
    Choice(1, "手机认证", "phone verified"),
    Choice(2, "实名认证", "identity verified"),
    Choice(3, "职业认证", "profession verified"),
)
KINDS = (
    Choice("worker", "科技工作者", "science worker"),
    Choice("citizen", "公众", "citizen"),
)
TITLES = (
    Choice(1, "技术员级", "technician"),
    Choice(2, "助理级", "assistant"),
    Choice(3, "中级", "intermediate"),
    Choice(4, "副高级", "associate professor and the like"),
    Choice(5, "正高级", "professor and the like"),
)
ORGANIZATIONS = (
    Choice("enterprise", "企业", "enterprise"),
    Choice("university", "高校", "university"),
    Choice("institute", "科研院所", "institute"),
    Choice("hospital", "医院", "hospital"),
    Choice("society", "学会协会", "society"),
    Choice("agency", "服务机构", "agency"),
    Choice("centre", "服务中心", "service centre"),
    Choice("park", "园区", "park"),
    Choice("government", "机关", "government"),
    Choice("other", "其他", "other"),
)


def core_attributes() -> tuple[Attribute, ...]:
    """Region, verification level, kind of person, kind of organization, birth year, title, interests."""
    worker = sa.case((User.level >= WORKER_LEVEL, "worker"), else_="citizen")
    kind = sa.select(Organization.kind).where(Organization.id == Membership.organization_id)
    return (
        Attribute("region", "地区", "region", "region", User.id, User.region),
        Attribute(
            "level", "认证等级", "verification", "number", User.id, User.level, choices=LEVELS, open=False
        ),
        Attribute("kind", "人员类别", "kind of person", "code", User.id, worker, choices=KINDS, open=False),
        Attribute(
            "organization-kind",
            "单位类型",
            "kind of organization",
            "set",
            Membership.user_id,
            kind.correlate(Membership).scalar_subquery(),
            through={"organization": Membership.organization_id},
            choices=ORGANIZATIONS,
            open=False,
        ),
        Attribute("birth-year", "出生年份", "birth year", "number", Profile.user_id, Profile.birth_year),
        Attribute(
            "title", "职称级别", "title", "number", Profile.user_id, Profile.title, choices=TITLES, open=False
        ),
        Attribute("interests", "关注主题", "interests", "set", Interest.user_id, Interest.topic),
    )
