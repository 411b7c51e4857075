"""What people ask for, and what the API answers."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from keyun.api import Moment
from keyun.forms import Form, RegionCode

CODE = validate.Regexp(r"^[0-9]{6}$")


class PeriodForm(Form):
    """A place and a period, as the page has them."""

    region = RegionCode(load_default=None, allow_none=True)
    start = fields.Date(load_default=None, allow_none=True, data_key="from", metadata={"label": "开始日期"})
    end = fields.Date(load_default=None, allow_none=True, data_key="to", metadata={"label": "结束日期"})


class ReportArguments(Schema):
    """Which place and period; both days are included."""

    class Meta:
        unknown = RAISE

    region = fields.String(required=True, validate=CODE)
    start = fields.Date(required=True, data_key="from")
    end = fields.Date(required=True, data_key="to")


class TimesSchema(Schema):
    """Person-times: what counts, by accounts and by visitors, and what was excluded."""

    counted = fields.Integer(required=True)
    users = fields.Integer(required=True)
    visitors = fields.Integer(required=True)
    excluded = fields.Integer(required=True)


class NamedTimesSchema(TimesSchema):
    """Person-times of one channel or type."""

    name = fields.String(required=True)


class PlaceSchema(TimesSchema):
    """Person-times and distinct people of one place below; people of several places are no sum."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    people = fields.Integer(required=True)


class DistinctSchema(Schema):
    """Distinct logged-in people, exact, of whole months (``2026-11``)."""

    first_month = fields.String(required=True)
    last_month = fields.String(required=True)
    people = fields.Integer(required=True)
    removed = fields.Integer(
        required=True, metadata={"description": "taken out since, once for each month and place"}
    )
    rules = fields.List(fields.String(), required=True)


class ReasonSchema(Schema):
    """How much a rule excluded for one reason."""

    rule = fields.String(required=True)
    code = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    records = fields.Integer(required=True)


class UsedSchema(Schema):
    """A rule behind the figures, the days it was used for, and its definition when it is known here."""

    id = fields.String(required=True)
    first_day = fields.Date(required=True)
    last_day = fields.Date(required=True)
    says = fields.String(required=True, allow_none=True)
    says_en = fields.String(required=True, allow_none=True)


class ReportSchema(Schema):
    """The use of one place in one period."""

    region = fields.String(required=True)
    name = fields.String(required=True)
    note = fields.String(required=True, metadata={"description": "what became of a retired code"})
    start = fields.Date(required=True, data_key="from")
    end = fields.Date(required=True, data_key="to")
    as_of = Moment(required=True, allow_none=True)
    total = fields.Nested(TimesSchema, required=True)
    anonymous_share = fields.Float(required=True, allow_none=True)
    distinct = fields.Nested(DistinctSchema, required=True)
    channels = fields.List(fields.Nested(NamedTimesSchema), required=True)
    types = fields.List(fields.Nested(NamedTimesSchema), required=True)
    places = fields.List(fields.Nested(PlaceSchema), required=True)
    excluded = fields.List(fields.Nested(ReasonSchema), required=True)
    rules = fields.List(fields.Nested(UsedSchema), required=True)
    unplaced = fields.Integer(required=True)
    lost = fields.Integer(required=True)
    killed = fields.Integer(required=True)


class RuleSchema(Schema):
    """A definition of what counts."""

    id = fields.String(required=True)
    active = fields.Boolean(required=True)
    says = fields.String(required=True)
    says_en = fields.String(required=True)
    reasons = fields.List(fields.Nested(lambda: RuleReasonSchema()), required=True)


class RuleReasonSchema(Schema):
    """Why a rule excludes."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)


class RulesSchema(Schema):
    """Every rule that is loaded here."""

    items = fields.List(fields.Nested(RuleSchema), required=True)
