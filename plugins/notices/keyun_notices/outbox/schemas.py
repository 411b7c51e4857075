"""What the API of channels takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api import Moment, Whole
from keyun.forms import Form

#: Receipts or replies in one call.
MOST = 1000


class ReceiptSchema(Form):
    """What became of one letter, by our id or the gateway's reference."""

    id = fields.String(load_default="", validate=validate.Length(max=120))
    reference = fields.String(load_default="", validate=validate.Length(max=120))
    state = fields.String(required=True, validate=validate.Length(1, 60))


class ReceiptsSchema(Form):
    """A call of an SMS gateway with receipts."""

    receipts = fields.List(fields.Nested(ReceiptSchema), required=True, validate=validate.Length(max=MOST))


class ReplySchema(Form):
    """What somebody texted."""

    phone = fields.String(required=True, validate=validate.Length(1, 40))
    text = fields.String(required=True, validate=validate.Length(max=1000))


class RepliesSchema(Form):
    """A call of an SMS gateway with texts of people."""

    replies = fields.List(fields.Nested(ReplySchema), required=True, validate=validate.Length(max=MOST))


class ChangedSchema(Schema):
    """How many letters a call changed."""

    changed = Whole(required=True)


class AnswerSchema(Schema):
    """What is to be sent back to one number; empty when nothing is."""

    phone = fields.String(required=True)
    text = fields.String(required=True)


class AnswersSchema(Schema):
    """What is to be sent back, in the order of the replies."""

    answers = fields.List(fields.Nested(AnswerSchema), required=True)


class CodeSchema(Schema):
    """The code that binds an account, as one sends it to the official account."""

    code = fields.String(required=True)
    good_until = Moment(required=True)
    account = fields.String(required=True)


class BoundSchema(Schema):
    """Whether the account is bound to a follower."""

    bound = fields.Boolean(required=True)


class PushKeySchema(Schema):
    """The public VAPID key of the site; browsers subscribe with it."""

    public_key = fields.String(required=True)


class PushKeysSchema(Form):
    """The keys of a browser, base64url."""

    p256dh = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_=-]{80,120}\Z"))
    auth = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_=-]{16,60}\Z"))


class SubscriptionSchema(Form):
    """A subscription as browsers give it (``PushSubscription.toJSON()``)."""

    endpoint = fields.String(required=True, validate=validate.Regexp(r"^https?://[^\s\x00]{1,980}\Z"))
    keys = fields.Nested(PushKeysSchema, required=True)


class EndpointSchema(Form):
    """The address of a browser."""

    endpoint = fields.String(required=True, validate=validate.Regexp(r"^https?://[^\s\x00]{1,980}\Z"))


class SubscribedSchema(Schema):
    """Whether the browser gets what is pushed."""

    subscribed = fields.Boolean(required=True)
