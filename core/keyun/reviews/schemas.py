"""What the API shows of reviews and takes for them. Reviewers appear without their names."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api.fields import Moment, Whole
from keyun.api.paging import PageArguments
from keyun.api.schemas import CODE, ItemSchema
from keyun.content.types import OUTCOMES
from keyun.reviews.models import MAX_WORDS, STATES, VERDICTS

MAX_REASON = 500


class QueueArguments(PageArguments):
    """What of the queue, or one's own submissions."""

    scope = fields.String(
        load_default="queue",
        validate=validate.OneOf(["queue", "own"]),
        metadata={"description": "待审队列，或自己提交的 / what waits, or one's own submissions"},
    )
    mine = fields.Boolean(load_default=False, metadata={"description": "自己认领的 / claimed by oneself"})
    unclaimed = fields.Boolean(load_default=False)
    overdue = fields.Boolean(load_default=False)
    type = fields.String(load_default=None, validate=validate.Length(1, 60))
    region = fields.String(load_default=None, validate=CODE)


class ReviewSchema(Schema):
    """One review in a list."""

    id = fields.UUID(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    version = fields.Integer(
        required=True,
        strict=True,
        metadata={"description": "送审的版本，作决定时带上 / send it back with a decision"},
    )
    needed = fields.Integer(required=True, strict=True)
    approvals = fields.Integer(required=True, strict=True)
    comments = fields.Integer(required=True, strict=True)
    claimed = fields.String(
        required=True,
        validate=validate.OneOf(["nobody", "self", "other"]),
        metadata={"description": "由谁认领 / who has it in hand"},
    )
    opened_at = Moment(required=True)
    due_at = Moment(required=True)
    overdue = fields.Boolean(required=True)
    item = fields.Nested(ItemSchema, required=True)


class ReviewPageSchema(Schema):
    """A page of reviews."""

    items = fields.List(fields.Nested(ReviewSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class CheckSchema(Schema):
    """What a machine found."""

    name = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    text = fields.String(required=True)
    detail = fields.String(required=True)


class RemarkSchema(Schema):
    """One line of the conversation."""

    kind = fields.String(required=True, validate=validate.OneOf(["comment", *VERDICTS]))
    side = fields.String(required=True, validate=validate.OneOf(["author", "reviewer"]))
    text = fields.String(required=True)
    version = fields.Integer(required=True, strict=True, allow_none=True)
    at = Moment(required=True)


class ReviewDetailSchema(ReviewSchema):
    """One review with the text, what machines found, and what was said."""

    body = fields.String(required=True)
    checks = fields.List(fields.Nested(CheckSchema), required=True)
    remarks = fields.List(fields.Nested(RemarkSchema), required=True)


class DecisionSchema(Schema):
    """A verdict; ``changes`` and ``reject`` need a reason."""

    verdict = fields.String(required=True, validate=validate.OneOf(VERDICTS))
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))
    version = Whole(required=True, validate=validate.Range(1, 2**31 - 1))


class WordsSchema(Schema):
    """Something to say."""

    text = fields.String(required=True, validate=validate.Length(1, MAX_WORDS))


class ReasonSchema(Schema):
    """Why a decided review is put to the question again."""

    reason = fields.String(required=True, validate=validate.Length(1, MAX_REASON))


class ClaimSchema(Schema):
    """Take a review in hand; ``take_over`` takes it from a colleague."""

    take_over = fields.Boolean(load_default=False)
