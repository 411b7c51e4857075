"""What the API shows of files and takes with them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.files.models import MAX_ALT, MAX_CREDIT, MAX_NAME


class UploadArguments(Schema):
    """What a file is called, what it shows, and who made it."""

    name = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    alt = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_ALT),
        metadata={"description": "图片必填：图里有什么 / needed for pictures: what it shows"},
    )
    credit = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_CREDIT),
        metadata={"description": "作者与许可 / author and licence"},
    )


class AttachmentSchema(Schema):
    """One file of an item."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "种类，由内容判定 / told by its bytes"})
    size = fields.Integer(required=True, strict=True)
    digest = fields.String(required=True, metadata={"description": "SHA-256"})
    width = fields.Integer(required=True, strict=True, allow_none=True)
    height = fields.Integer(required=True, strict=True, allow_none=True)
    alt = fields.String(required=True)
    credit = fields.String(required=True)
    file = fields.String(required=True, metadata={"description": "下载地址 / where its bytes are"})


class AttachmentsSchema(Schema):
    """The files of one item, in order."""

    items = fields.List(fields.Nested(AttachmentSchema), required=True)
