"""Settings of the outbox and its channels; a channel whose table is missing is not there."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

ADDRESS = validate.Regexp(r"^https?://[^\s]{1,490}$")
SECRET = validate.Length(1, 500)
TEMPLATES = fields.Dict(fields.String(), fields.String())
NAME = validate.Regexp(r"^[a-z][a-z0-9-]{0,39}$")


class PaceSchema(Schema):
    """How fast a provider may be asked."""

    #: Letters a second, in the long run.
    per_second = fields.Float(load_default=10.0, validate=validate.Range(0.001, 10_000))
    #: Letters that may go at once after a quiet time.
    burst = fields.Integer(load_default=10, validate=validate.Range(1, 10_000))
    #: Letters of one local day; without it the provider alone decides.
    per_day = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 100_000_000))
    #: Seconds that one call may take.
    timeout = fields.Float(load_default=10.0, validate=validate.Range(0.1, 120))


class SmsSchema(PaceSchema):
    """One row of ``[[plugin.notices.sms]]``: an HTTP gateway; the rows are the order of fail-over.

    Values of ``headers``, ``body`` and ``item`` may hold {account}, {secret}, {template}, {signature},
    {phone}, {key}, {title}, {text}, {link}, {optout} and {region}.
    """

    #: What it is called in addresses of callbacks and in figures.
    name = fields.String(load_default="main", validate=NAME)
    #: Where letters are posted as JSON.
    url = fields.String(required=True, validate=ADDRESS)
    #: The id of the template that the carrier has approved.
    template = fields.String(load_default="", validate=validate.Length(max=60))
    #: The signature that stands before every message, such as 科云.
    signature = fields.String(load_default="", validate=validate.Length(max=40))
    #: The account at the gateway.
    account = fields.String(load_default="", validate=validate.Length(max=120))
    #: The key of the account.
    secret = fields.String(required=True, validate=SECRET)
    #: The key that signs receipts and replies; without it they are refused.
    callback_secret = fields.String(load_default="", validate=validate.Length(max=500))
    #: Headers of a request.
    headers = fields.Dict(
        fields.String(), fields.String(), load_default=lambda: {"Authorization": "Bearer {secret}"}
    )
    #: What a request says once.
    body = fields.Dict(
        fields.String(),
        fields.String(),
        load_default=lambda: {"account": "{account}", "template": "{template}", "signature": "{signature}"},
    )
    #: What it says of each letter.
    item = fields.Dict(
        fields.String(),
        fields.String(),
        load_default=lambda: {"phone": "{phone}", "id": "{key}", "title": "{title}", "link": "{link}"},
    )
    #: The key of the request under which letters stand; empty when one request is one letter.
    items = fields.String(load_default="messages", validate=validate.Length(max=60))
    #: Letters in one request.
    batch = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    #: The key of the answer under which results stand, in the order of the letters; empty for one letter.
    results = fields.String(load_default="results", validate=validate.Length(max=60))
    #: The key of a result that holds its code.
    code = fields.String(load_default="code", validate=validate.Length(1, 60))
    #: The key of a result that holds the gateway's own number.
    reference = fields.String(load_default="id", validate=validate.Length(1, 60))
    #: Codes that say: taken.
    taken = fields.List(fields.String(), load_default=lambda: ["0", "OK"])
    #: Codes that say: this number is dead.
    dead = fields.List(fields.String(), load_default=list)
    #: Codes that say: this letter later.
    later = fields.List(fields.String(), load_default=list)
    #: Codes that say: nothing now, because of the account, its quota or the gateway.
    busy = fields.List(fields.String(), load_default=list)
    #: States in receipts that say: it arrived.
    arrived = fields.List(fields.String(), load_default=lambda: ["delivered", "DELIVRD"])
    #: States in receipts that are not final.
    pending = fields.List(fields.String(), load_default=lambda: ["pending", "accepted", "enroute"])
    #: For how many seconds the gateway takes one id once only; 0 when it does not promise that.
    repeat_for = fields.Float(load_default=0.0, validate=validate.Range(0, 86_400))
    #: Where it says what became of an id, asked as JSON ``{"id": …}``; empty when it does not.
    ask_url = fields.String(load_default="", validate=validate.Regexp(r"^(https?://[^\s]{1,490})?$"))
    #: Letters of the title that the template takes.
    title_length = fields.Integer(load_default=35, validate=validate.Range(4, 500))

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """One letter for each request when there is no place for many."""
        if not data["items"] and data["batch"] != 1:
            raise ValidationError("without items, one request is one letter: set batch = 1", "batch")


class WechatSchema(PaceSchema):
    """``[plugin.notices.wechat]``: an official account (服务号) and its template message."""

    #: AppID of the account.
    app_id = fields.String(required=True, validate=validate.Length(1, 60))
    #: AppSecret of the account.
    app_secret = fields.String(required=True, validate=SECRET)
    #: The id of the template.
    template = fields.String(required=True, validate=validate.Length(1, 80))
    #: The token that signs what WeChat sends us.
    token = fields.String(required=True, validate=validate.Length(3, 32))
    #: Where its API is.
    url = fields.String(load_default="https://api.weixin.qq.com", validate=ADDRESS)
    #: The key words of the template, each with {title}, {text}, {region} or {link}.
    fields_ = fields.Dict(
        fields.String(),
        fields.String(),
        data_key="fields",
        load_default=lambda: {"thing1": "{title}", "thing2": "{region}"},
    )
    #: The name people look for in WeChat, shown where they bind their account.
    title = fields.String(load_default="", validate=validate.Length(max=60))


class WebPushSchema(PaceSchema):
    """``[plugin.notices.webpush]``: browsers, with the extra ``notify``."""

    #: The VAPID key, private (base64url of 32 bytes).
    private_key = fields.String(required=True, validate=SECRET)
    #: The VAPID key, public, which browsers get (base64url of 65 bytes).
    public_key = fields.String(required=True, validate=validate.Length(80, 100))
    #: Whom a push service may write to, such as mailto:ops@example.org.
    subject = fields.String(required=True, validate=validate.Regexp(r"^(mailto:.+@.+|https://.+)$"))
    #: How long a push service keeps a letter for a browser that is off, in seconds.
    keep = fields.Integer(load_default=86_400, validate=validate.Range(0, 2_419_200))


class OutboxSettings(Schema):
    """The part of ``[plugin.notices]`` about channels."""

    #: Channels in the order in which a person is tried; the first that he wants and has is taken.
    order = fields.List(
        fields.String(validate=validate.Length(1, 20)),
        load_default=lambda: ["wechat", "webpush", "sms", "mail"],
        validate=validate.Length(max=20),
    )
    #: SMS gateways, in the order of fail-over.
    sms = fields.List(fields.Nested(SmsSchema), load_default=list, validate=validate.Length(max=5))
    #: The WeChat official account.
    wechat = fields.Nested(WechatSchema, load_default=None, allow_none=True)
    #: Web Push.
    webpush = fields.Nested(WebPushSchema, load_default=None, allow_none=True)
    #: Mails a second; the server is that of [mail].
    mail_per_second = fields.Float(load_default=5.0, validate=validate.Range(0.001, 1000))
    #: Mails of one day; without it the server alone decides.
    mail_per_day = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 100_000_000))
    #: Signs what webhooks of relays get; without it they get nothing.
    webhook_secret = fields.String(load_default="", validate=validate.Length(max=500))
    #: Whether webhooks may lead to machines of the own network.
    private_webhooks = fields.Boolean(load_default=False)
    #: How often a letter is tried before it has failed.
    attempts = fields.Integer(load_default=6, validate=validate.Range(1, 50))
    #: After how many days finished letters are folded into counts; a year at most is due to the people.
    keep_days = fields.Integer(load_default=365, validate=validate.Range(1, 3650))

    @validates_schema
    def check_gateways(self, data: dict[str, Any], **_: Any) -> None:
        """Gateways are told apart by their names."""
        names = [s["name"] for s in data["sms"]]
        if len(set(names)) != len(names):
            raise ValidationError("two gateways have one name; give each its own", "sms")
