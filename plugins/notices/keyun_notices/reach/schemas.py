"""What the API shows of reach, and one row of a file of populations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from keyun.forms import Form, RegionCode, Text

MOST_PEOPLE = 10_000_000_000


class PopulationRow(Form):
    """One row of a file of populations: so many residents on a day, according to a source."""

    code = RegionCode(required=True)
    name = Text("名称", 60)
    on = fields.Date(required=True, metadata={"label": "日期"})
    people = fields.Integer(
        required=True, validate=validate.Range(1, MOST_PEOPLE), metadata={"label": "常住人口"}
    )
    source = Text("来源", 200, least=2)
    #: Code and day: several days of a region may stand in one file.
    entry = fields.String(dump_only=True, metadata={"label": "条目"})

    @post_load
    def _entry(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        day: dt.date = data["on"]
        return {**data, "entry": f"{data['code']} {day.isoformat()}"}


class FigureSchema(Schema):
    """A number of people and their share of the residents; null when the residents are unknown."""

    people = fields.Integer(required=True, strict=True)
    share = fields.Float(required=True, allow_none=True)


class ResidentsSchema(Schema):
    """How many people live there, on which day, according to whom."""

    people = fields.Integer(required=True, strict=True)
    on = fields.Date(required=True)
    source = fields.String(required=True)


class ChannelSchema(Schema):
    """What became of the messages by one channel."""

    name = fields.String(required=True)
    waiting = fields.Integer(required=True, strict=True)
    handed_over = fields.Nested(FigureSchema, required=True)
    delivered = fields.Nested(FigureSchema, required=True)
    failed = fields.Integer(required=True, strict=True)


class AccountsSchema(Schema):
    """People with an account."""

    addressed = fields.Nested(FigureSchema, required=True)
    erased = fields.Integer(required=True, strict=True)
    channels = fields.List(fields.Nested(ChannelSchema), required=True)
    shown = fields.Nested(FigureSchema, required=True)
    opened = fields.Nested(FigureSchema, required=True)
    confirmed = fields.Nested(FigureSchema, required=True)


class ContactsSchema(Schema):
    """People without an account who are told by phone."""

    addressed = fields.Nested(FigureSchema, required=True)
    erased = fields.Integer(required=True, strict=True)
    channels = fields.List(fields.Nested(ChannelSchema), required=True)
    confirmed = fields.Nested(FigureSchema, required=True)


class RelaysSchema(Schema):
    """Posts and devices, not people."""

    asked = fields.Integer(required=True, strict=True)
    told = fields.Integer(required=True, strict=True)
    confirmed = fields.Integer(required=True, strict=True)


class PlaceSchema(Schema):
    """What the relays of one region estimate."""

    region = fields.String(required=True)
    name = fields.String(required=True)
    relays = fields.Integer(required=True, strict=True)
    estimated = fields.Nested(FigureSchema, required=True)
    residents = fields.Nested(ResidentsSchema, required=True, allow_none=True)


class EstimatedSchema(Schema):
    """What relays said last; the same person may stand before two of them."""

    people = fields.Nested(FigureSchema, required=True)
    places = fields.List(fields.Nested(PlaceSchema), required=True)


class ReachSchema(Schema):
    """Figures of one notice, kept apart: nothing here may be added up."""

    notice = fields.UUID(required=True)
    regions = fields.List(fields.String(), required=True)
    residents = fields.Nested(ResidentsSchema, required=True, allow_none=True)
    accounts = fields.Nested(AccountsSchema, required=True)
    contacts = fields.Nested(ContactsSchema, required=True)
    relays = fields.Nested(RelaysSchema, required=True)
    estimated = fields.Nested(EstimatedSchema, required=True)
