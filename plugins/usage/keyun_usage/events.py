"""The events this plugin records; the reference and the contract suite read them."""

from __future__ import annotations

EVENTS = {
    "usage.recounted": "使用统计按一个口径重算 / usage was counted again by a rule",
    "usage.imported": "导入了历史使用统计 / a history of usage was imported",
}
