"""What people say of themselves, on a page, by the API and in import files."""

from __future__ import annotations

from marshmallow import fields, validate

from keyun.forms import Form, Words

#: Nobody who uses this was born before; the other end is the year of the day.
FIRST_YEAR = 1900
TOPICS, TOPIC_LENGTH = 20, 40


class ProfileSchema(Form):
    """What one says of oneself; everything may stay empty."""

    birth_year = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=False,
        validate=validate.Range(FIRST_YEAR, 2100),
        metadata={"label": "出生年份"},
    )
    title = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, 5), metadata={"label": "职称级别"}
    )
    interests = Words("关注主题", TOPICS, TOPIC_LENGTH)


class ProfileRow(ProfileSchema):
    """One row of a people-profiles file; ``user`` is the external id of an imported user."""

    user = fields.String(required=True, validate=validate.Length(1, 120), metadata={"label": "用户编号"})
