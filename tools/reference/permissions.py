"""docs/reference/permissions.md"""

from __future__ import annotations

from collections.abc import Iterable

from keyun.access import ROLES, Permission
from keyun.defaults import core_permissions
from keyun.site import Site

NAMES = {
    "anyone": "所有人 / anyone",
    "user": "登录用户 / user",
    "broker": "科服保姆 / broker",
    "editor": "编辑 / editor",
    "reviewer": "审核员 / reviewer",
    "staff": "工作人员 / staff",
    "admin": "管理员 / admin",
}
LEVELS = ("–", "手机 / phone", "实名 / identity", "职业 / profession")


def permission_page(site: Site) -> str:
    """Every permission and who has it by default."""
    lines = [
        "# 权限 / Permissions",
        "",
        "没有声明的权限，谁都没有。角色按地区授予，及于该地区和所有下级。",
        "本人：自己或本单位的内容。认证：需要的认证等级，对所有人都适用。",
        "",
        "What nobody declares, nobody may do. A role is granted for a region and reaches all below it.",
        "Owner: for what is one's own or one's organization's. Level: the verification needed by everybody.",
    ]
    lines += _table("核心 / Core", core_permissions())
    for plugin in sorted(site.plugins.plugins.values(), key=lambda p: p.name):
        found = list(getattr(plugin, "keyun_permissions", tuple)() or ())
        lines += _table(f"{plugin.manifest.title} / {plugin.name}", found)
    return "\n".join(lines) + "\n"


def _table(title: str, permissions: Iterable[Permission]) -> list[str]:
    lines = [
        "",
        f"## {title}",
        "",
        "| 权限 / permission | 含义 / what | 角色 / roles | 本人 / owner | 认证 / level |",
    ]
    lines += ["| --- | --- | --- | --- | --- |"]
    for p in permissions:
        roles = "、".join(NAMES[r] for r in ROLES if r in p.roles) or "–"
        owner = "✓" if p.owner else "–"
        lines.append(f"| `{p.name}` | {p.title} / {p.title_en} | {roles} | {owner} | {LEVELS[p.level]} |")
    return lines
