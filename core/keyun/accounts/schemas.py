"""What an account form may contain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, pre_load, validate

from keyun.accounts.passwords import MAXIMUM, MINIMUM

LOGIN = validate.Regexp(
    r"^[A-Za-z0-9_.\-]{3,60}$",
    error="用户名为 3 至 60 个字母、数字或 _ . -。 (3 to 60 letters, digits or _ . -)",
)
REGION = validate.Regexp(r"^\d{6}$", error="请选择地区。 (Choose a region.)")
NAME = validate.Length(1, 60, error="请填写 1 至 60 个字。 (1 to 60 characters.)")


class ProfileSchema(Schema):
    """What a user may change of himself."""

    class Meta:
        unknown = EXCLUDE

    name = fields.String(required=True, validate=NAME)
    region = fields.String(required=True, validate=REGION)


class RegistrationSchema(ProfileSchema):
    """What a visitor gives to open an account."""

    login = fields.String(required=True, validate=LOGIN)
    email = fields.Email(load_default=None, allow_none=True)
    password = fields.String(
        required=True,
        validate=validate.Length(
            MINIMUM,
            MAXIMUM,
            error=f"密码须为 {MINIMUM} 至 {MAXIMUM} 个字符。 ({MINIMUM} to {MAXIMUM} characters.)",
        ),
        load_only=True,
    )

    @pre_load
    def _left_out(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """A browser sends the field that was left empty too."""
        return {**data, "email": data.get("email") or None}
