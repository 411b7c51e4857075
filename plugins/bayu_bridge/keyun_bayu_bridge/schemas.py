"""What the API says about this node."""

from __future__ import annotations

from marshmallow import Schema, fields


class SharedSchema(Schema):
    """Published items of one type by what their ``share`` declares."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    local = fields.Integer(required=True, strict=True)
    region = fields.Integer(required=True, strict=True)
    federation = fields.Integer(required=True, strict=True)
    public = fields.Integer(required=True, strict=True)


class NodeSchema(Schema):
    """Who runs this node, and what it would share."""

    title = fields.String(required=True)
    title_en = fields.String(required=True)
    operator = fields.String(required=True)
    region = fields.String(required=True)
    region_name = fields.String(required=True)
    version = fields.String(required=True)
    exchange = fields.Boolean(
        required=True, metadata={"description": "是否与其他节点交换 / whether nodes exchange"}
    )
    types = fields.List(fields.Nested(SharedSchema), required=True)
