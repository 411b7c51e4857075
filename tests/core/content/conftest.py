"""An article library that a fixture plugin extends with a few fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

MARK = """
from marshmallow import fields, validate
from keyun.content import Choice, ContentField
from keyun.forms import Day, Words
from keyun.plugins import Plugin, hookimpl

ARTICLE = "popsci.article"
LEVELS = (Choice("none", "无", "none"), Choice("gold", "金级", "gold"))

class P(Plugin):
    @hookimpl
    def keyun_content_fields(self):
        yield ContentField(ARTICLE, "level", fields.String(load_default="none"), "标识等级", "Mark level",
                           choices=LEVELS, filter=True)
        yield ContentField(ARTICLE, "checked", fields.Boolean(), "已复核", "Checked", filter=True)
        yield ContentField(ARTICLE, "pages", fields.Integer(validate=validate.Range(1, 999)), "页数", "Pages",
                           places={"detail"})
        yield ContentField(ARTICLE, "until", Day(), "有效期至", "Valid until")
        yield ContentField(ARTICLE, "tags", Words("标签"), "标签", "Tags", help="用逗号分开")
"""
FORM: Mapping[str, Any] = {
    "title": "柑橘黄龙病如何识别", "summary": "看叶看果", "body": "斑驳黄化", "category": "agriculture",
    "source": "《柑橘植保》", "voucher": "示范学会", "region": "511402",
}  # fmt: skip


@pytest.fixture
def mark(write_plugin: Callable[..., Path]) -> Path:
    """The plugin ``mark``, installed for this test."""
    return write_plugin("mark", MARK, 'requires = ["popsci"]')
