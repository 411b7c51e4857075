"""Files of content for programs: list them, bring one, take one off; the bytes lie at ``file``."""

from __future__ import annotations

import uuid
from typing import Any

from flask import request, url_for

from keyun.access import public
from keyun.api.operations import ApiBlueprint, operation
from keyun.content.models import Content
from keyun.content.services import find
from keyun.errors import Unauthenticated
from keyun.files import schemas
from keyun.files.models import Attachment
from keyun.files.receiving import receive
from keyun.files.services import attach, attachments, detach, find_attachment
from keyun.web.context import actor, reading, site, writing
from keyun.web.files import takes_files

BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


def blueprint() -> ApiBlueprint:
    """``/api/v1/content/…/files`` and ``/api/v1/files``."""
    api = ApiBlueprint("files-api", __name__, description="文件 / Files")
    place = "/content/<uuid:public_id>/files"
    operation(api, place, files, schemas.AttachmentsSchema, "内容的文件 / Files of an item")
    operation(
        api,
        place,
        api.doc(requestBody=BODY)(upload),
        schemas.AttachmentSchema,
        "上传文件 / Upload a file",
        query=schemas.UploadArguments,
        methods=("POST",),
    )
    one = "/files/<uuid:public_id>"
    operation(api, one, remove, schemas.AttachmentsSchema, "取下文件 / Take a file off", methods=("DELETE",))
    return api


@public
def files(public_id: uuid.UUID) -> dict[str, Any]:
    """The pictures and documents of an item, for whoever may see it."""
    return _all(find(actor(), reading(), Content, str(public_id)))


@public
@takes_files
def upload(query: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Send the bytes of the file as the body. Its kind is told by them; pictures are saved anew."""
    _only_users()
    item = find(actor(), reading(), Content, str(public_id))
    reading().require(actor(), f"{item.type}.edit", item)
    received = receive(site(), request.stream, query["name"])
    with writing() as unit:
        item = find(actor(), unit, Content, str(public_id))
        found = attach(actor(), unit, item, received, alt=query["alt"], credit=query["credit"])
        return _shown(found)


@public
def remove(public_id: uuid.UUID) -> dict[str, Any]:
    """Take a file off its item; what is left comes back."""
    _only_users()
    with writing() as unit:
        found, item = find_attachment(actor(), unit, str(public_id))
        detach(actor(), unit, found)
    return _all(item)


def _only_users() -> None:
    if not actor().is_user:
        raise Unauthenticated("请带上密钥。 (Send a key: Authorization: Bearer …)")


def _all(item: Content) -> dict[str, Any]:
    return {"items": [_shown(a) for a in attachments(reading(), [item]).get(item.id, [])]}


def _shown(found: Attachment) -> dict[str, Any]:
    return {
        "id": found.public_id,
        "name": found.name,
        "kind": found.file.kind,
        "size": found.file.size,
        "digest": found.digest,
        "width": found.file.width,
        "height": found.file.height,
        "alt": found.alt,
        "credit": found.credit,
        "file": url_for("files.show", public_id=found.public_id),
    }
