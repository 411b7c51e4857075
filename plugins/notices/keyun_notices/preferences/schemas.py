"""What people and programs say about preferences, and what the API shows of them."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from keyun.api import PageArguments, Whole
from keyun_notices.preferences.models import FREQUENCIES
from keyun_notices.preferences.services import MOST_A_DAY
from keyun_notices.preferences.topics import MOST

#: A time of the day such as 22:30.
CLOCK = validate.Regexp(
    r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", error="请写成 22:30 这样的时刻。 (A time such as 22:30.)"
)
CODE = validate.Regexp(r"^[0-9]{6}\Z", error="地区代码是六位数字。 (A region code has six digits.)")
NAME = validate.Regexp(r"^[a-z][a-z0-9.-]{0,59}\Z", error="没有这个主题。 (No such topic.)")
CHANNEL = validate.Regexp(r"^[a-z][a-z0-9-]{0,19}\Z", error="没有这个渠道。 (No such channel.)")
MOST_CHANNELS = 20


class TopicWish(Schema):
    """How often a topic may come, and by which of the chosen channels (null: each that carries it)."""

    class Meta:
        unknown = RAISE

    frequency = fields.String(required=True, validate=validate.OneOf(FREQUENCIES))
    channels = fields.List(
        fields.String(validate=CHANNEL),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MOST_CHANNELS),
    )


class WishBody(Schema):
    """All preferences of one person; what is left out goes by the defaults."""

    class Meta:
        unknown = RAISE

    channels = fields.List(
        fields.String(validate=CHANNEL), load_default=list, validate=validate.Length(max=MOST_CHANNELS)
    )
    topics = fields.Dict(
        keys=fields.String(validate=NAME),
        values=fields.Nested(TopicWish),
        load_default=dict,
        validate=validate.Length(max=MOST),
    )
    inbox_only = fields.Boolean(load_default=False)
    impersonal = fields.Boolean(load_default=False)
    quiet_from = fields.String(load_default=None, allow_none=True, validate=CLOCK)
    quiet_until = fields.String(load_default=None, allow_none=True, validate=CLOCK)
    daily_cap = Whole(load_default=None, allow_none=True, validate=validate.Range(1, MOST_A_DAY))


class TopicSchema(Schema):
    """One topic."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    summary = fields.String(required=True)
    summary_en = fields.String(required=True)
    frequency = fields.String(required=True, metadata={"description": "默认频率 / the default"})


class TopicsSchema(Schema):
    """Every topic."""

    items = fields.List(fields.Nested(TopicSchema), required=True)


class TopicPreferenceSchema(TopicSchema):
    """One topic of one person."""

    channels = fields.List(fields.String(), required=True)
    narrowed = fields.Boolean(required=True)


class WaySchema(Schema):
    """A channel that can be chosen."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    reaches = fields.Boolean(required=True)


class PreferencesSchema(Schema):
    """What holds for one person, defaults filled in."""

    channels = fields.List(fields.String(), required=True)
    available = fields.List(fields.Nested(WaySchema), required=True)
    topics = fields.List(fields.Nested(TopicPreferenceSchema), required=True)
    inbox_only = fields.Boolean(required=True)
    impersonal = fields.Boolean(required=True)
    quiet_from = fields.String(required=True)
    quiet_until = fields.String(required=True)
    daily_cap = fields.Integer(required=True)


class OptoutSchema(Schema):
    """What was refused, and the token that takes it back (empty when nothing can)."""

    about = fields.String(required=True, metadata={"description": "all, topic or channel"})
    name = fields.String(required=True)
    refused = fields.Boolean(required=True)
    undo = fields.String(required=True)


class FeedArguments(PageArguments):
    """Which public notices."""

    topic = fields.String(load_default=None, validate=NAME)
    region = fields.String(load_default=None, validate=CODE)


class PublicNoticeSchema(Schema):
    """A notice that everybody may read."""

    id = fields.String(required=True)
    topic = fields.String(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True, metadata={"description": "Markdown"})
    link = fields.String(required=True, allow_none=True)
    regions = fields.List(fields.String(), required=True)
    published_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)


class PublicNoticesSchema(Schema):
    """A page of public notices, newest first."""

    items = fields.List(fields.Nested(PublicNoticeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
