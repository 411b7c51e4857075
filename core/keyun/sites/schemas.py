"""What people write about a sub-site."""

from __future__ import annotations

from marshmallow import ValidationError, fields, validate

from keyun.forms import Form, RegionCode, Text, Words

#: The colours of a banner; the style sheet has a class for each.
COLOURS = ("teal", "green", "blue", "red", "violet", "slate")
#: Below ``/s/`` no address collides with a page; these would mislead people or the admin area.
RESERVED = frozenset({"new", "admin", "api", "static", "s"})
MOST_HOME = 20_000


def _free(value: str) -> None:
    if value in RESERVED:
        raise ValidationError(f"{value} 是保留的名称，请换一个。 ({value} is reserved; choose another.)")


class SubSiteForm(Form):
    """A new sub-site, or changes to one (loaded with ``partial``)."""

    slug = fields.String(
        required=True,
        validate=[
            validate.Regexp(
                r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])$",
                error="须为 2 至 40 个小写字母、数字或连字符，如 renshou。"
                " (2 to 40 lower-case letters, digits or hyphens.)",
            ),
            _free,
        ],
        metadata={"label": "网址名"},
    )
    name = Text("名称", 60, least=2)
    name_en = Text("英文名称", 60)
    region = RegionCode(required=True)
    banner = Text("横幅文字", 120)
    banner_en = Text("横幅英文", 120)
    colour = fields.String(
        load_default="",
        validate=validate.OneOf(["", *COLOURS]),
        metadata={"label": "颜色"},
    )
    menu = Words("菜单", 30, 40)
    home = Text("首页文字", MOST_HOME)
    host = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(
            r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$",
            error="请填写小写域名，如 rs.example.org，不带 http 和端口。"
            " (A host name in lower case, without scheme and port.)",
        ),
        metadata={"label": "域名"},
    )
    active = fields.Boolean(load_default=True, metadata={"label": "开放"})
