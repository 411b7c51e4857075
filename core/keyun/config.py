"""The configuration of one instance: ``keyun.toml`` and ``KEYUN_*`` over one validated schema."""

from __future__ import annotations

import os
import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from keyun.errors import ConfigError

FILE = "keyun.toml"
SECRET_FILE = "secret.key"
#: Sections whose keys the environment may set as ``KEYUN_<SECTION>__<KEY>``.
SECTIONS = ("site", "web", "jobs", "content", "files", "mail", "plugins")


def _known_timezone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(f"no time zone {name!r}; write one such as Asia/Shanghai") from None


class SiteSchema(Schema):
    """``[site]``: who runs this cloud and where."""

    title = fields.String(load_default="科云", validate=validate.Length(1, 60))
    title_en = fields.String(load_default="Keyun", validate=validate.Length(1, 60))
    operator = fields.String(load_default="", validate=validate.Length(max=120))
    contact = fields.String(load_default="", validate=validate.Length(max=120))
    icp = fields.String(load_default="", validate=validate.Length(max=60))
    police = fields.String(load_default="", validate=validate.Length(max=60))
    region = fields.String(load_default="510000", validate=validate.Regexp(r"^\d{6}$"))
    timezone = fields.String(load_default="Asia/Shanghai", validate=_known_timezone)
    url = fields.String(load_default="", validate=validate.Regexp(r"^(https?://[^\s/?#]+)?$"))
    demo = fields.Boolean(load_default=False)


class WebSchema(Schema):
    """``[web]``: the server processes."""

    host = fields.String(load_default="127.0.0.1")
    port = fields.Integer(load_default=5000, validate=validate.Range(1, 65535))
    workers = fields.Integer(load_default=2, validate=validate.Range(1, 64))
    threads = fields.Integer(load_default=4, validate=validate.Range(1, 64))
    secure_cookies = fields.Boolean(load_default=False)
    proxies = fields.Integer(load_default=0, validate=validate.Range(0, 5))
    login_limit = fields.String(load_default="10 per minute")


class JobsSchema(Schema):
    """``[jobs]``: the background worker."""

    lease_seconds = fields.Integer(load_default=60, validate=validate.Range(1, 3600))
    poll_seconds = fields.Float(load_default=0.5, validate=validate.Range(0.01, 60))
    max_attempts = fields.Integer(load_default=5, validate=validate.Range(1, 100))


class MailSchema(Schema):
    """``[mail]``: the mail server that takes what the site sends; without ``host`` nothing is sent."""

    host = fields.String(load_default="")
    port = fields.Integer(load_default=587, validate=validate.Range(1, 65535))
    starttls = fields.Boolean(load_default=True)
    user = fields.String(load_default="")
    password = fields.String(load_default="")
    sender = fields.String(load_default="", validate=validate.Length(max=200))
    timeout_seconds = fields.Integer(load_default=20, validate=validate.Range(1, 300))

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """A server needs a sender with an address."""
        if data["host"] and "@" not in parseaddr(data["sender"])[1]:
            raise ValidationError("with a host, give an address such as 科云 <noreply@example.org>", "sender")


class ReviewRuleSchema(Schema):
    """One row of ``[[content.review]]``: which texts wait for a reviewer before the public sees them."""

    type = fields.String(load_default="*")
    region = fields.String(load_default="100000", validate=validate.Regexp(r"^\d{6}$"))
    policy = fields.String(required=True, validate=validate.OneOf(["publish-first", "review-first"]))
    #: Only texts whose fields have one of these values, such as ``{category = ["health", "safety"]}``.
    where = fields.Dict(
        fields.String(validate=validate.Length(1, 60)),
        fields.List(fields.String(validate=validate.Length(1, 60)), validate=validate.Length(1, 50)),
        load_default=dict,
        validate=validate.Length(max=5),
    )
    #: How many reviewers must approve the same text; its author is never one of them.
    approvals = fields.Integer(load_default=1, validate=validate.Range(1, 5))
    #: After how many hours a review counts as overdue.
    deadline_hours = fields.Integer(load_default=48, validate=validate.Range(1, 8760))
    #: Only reviewers with this role for the region (and administrators); empty means all of them.
    reviewers = fields.String(load_default="", validate=validate.OneOf(["", "reviewer", "staff", "admin"]))


class ContentSchema(Schema):
    """``[content]``: publishing rules."""

    review = fields.List(fields.Nested(ReviewRuleSchema), load_default=list)


#: Kinds of files that can be told by their bytes, and how many bytes one may have by default.
FILE_KINDS = {
    "image/jpeg": 10_000_000, "image/png": 10_000_000, "image/webp": 10_000_000,
    "application/pdf": 20_000_000, "text/plain": 1_000_000, "audio/mpeg": 20_000_000, "video/mp4": 50_000_000,
}  # fmt: skip
ACCEPTED = ("image/jpeg", "image/png", "image/webp", "application/pdf")


class FilesSchema(Schema):
    """``[files]``: what may be attached to content, and where it lies."""

    #: Where files lie, as fsspec writes it, such as ``s3://bucket/keyun``; empty means the folder ``files``.
    url = fields.String(load_default="", validate=validate.Length(max=500))
    #: What the place needs beside its address, such as ``{endpoint_url = "https://…"}``.
    options = fields.Dict(fields.String(), fields.Raw(), load_default=dict)
    #: Kinds that are accepted, and the most bytes of each, such as ``{"application/pdf" = 20000000}``.
    kinds = fields.Dict(
        fields.String(validate=validate.OneOf(list(FILE_KINDS))),
        fields.Integer(strict=True, validate=validate.Range(1, 1_000_000_000)),
        load_default=lambda: {kind: FILE_KINDS[kind] for kind in ACCEPTED},
    )
    #: The most pixels of a picture; a decoded one takes four bytes for each.
    most_pixels = fields.Integer(load_default=50_000_000, validate=validate.Range(10_000, 80_000_000))
    #: The most files of one item.
    most_files = fields.Integer(load_default=24, validate=validate.Range(1, 200))


class PluginsSchema(Schema):
    """``[plugins]``: how much they may cost."""

    hook_budget_ms = fields.Integer(load_default=300, validate=validate.Range(1, 60_000))


class ConfigSchema(Schema):
    """The whole file."""

    database_url = fields.String(load_default="")
    site = fields.Nested(SiteSchema, load_default=lambda: SiteSchema().load({}))
    web = fields.Nested(WebSchema, load_default=lambda: WebSchema().load({}))
    jobs = fields.Nested(JobsSchema, load_default=lambda: JobsSchema().load({}))
    content = fields.Nested(ContentSchema, load_default=lambda: ContentSchema().load({}))
    files = fields.Nested(FilesSchema, load_default=lambda: FilesSchema().load({}))
    mail = fields.Nested(MailSchema, load_default=lambda: MailSchema().load({}))
    plugins = fields.Nested(PluginsSchema, load_default=lambda: PluginsSchema().load({}))
    plugin = fields.Dict(fields.String(), fields.Dict(), load_default=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The validated configuration; each section is a plain mapping of its schema."""

    instance: Path
    database_url: str
    site: Mapping[str, Any]
    web: Mapping[str, Any]
    jobs: Mapping[str, Any]
    content: Mapping[str, Any]
    files: Mapping[str, Any]
    mail: Mapping[str, Any]
    plugins: Mapping[str, Any]
    plugin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def state_file(self) -> Path:
        """Where the set of enabled plugins is written."""
        return self.instance / "plugins.toml"

    @property
    def suspended_file(self) -> Path:
        """Where all processes read which slow hooks are left out."""
        return self.instance / "run" / "suspended.json"

    @property
    def secret_file(self) -> Path:
        """Where the key that signs log-ins is kept."""
        return self.instance / SECRET_FILE


def load(instance: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration of ``instance``; a missing file means the defaults.

    :raises ConfigError: naming the file, the key and what is allowed there.
    """
    path = instance / FILE
    raw: dict[str, Any] = {}
    if path.is_file():
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ConfigError(f"{path}: {e}; correct the file and start again") from None
    _overlay(raw, environ)
    try:
        values = ConfigSchema(unknown=RAISE).load(raw)
    except ValidationError as e:
        raise ConfigError(f"{path}: {_flat(e.messages)}; correct the file or the environment") from None
    url = values.pop("database_url") or f"sqlite:///{(instance / 'keyun.db').resolve()}"
    return Config(instance=instance, database_url=url, **values)


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Let the environment win over the file: secrets and per-host values live there."""
    if url := environ.get("KEYUN_DATABASE_URL"):
        raw["database_url"] = url
    for name, value in environ.items():
        section, mark, key = name.removeprefix("KEYUN_").lower().partition("__")
        if not (mark and name.startswith("KEYUN_")):
            continue
        if section in SECTIONS:
            raw.setdefault(section, {})[key] = value
        elif section.startswith("plugin_"):
            plugins = raw.setdefault("plugin", {})
            plugins.setdefault(section.removeprefix("plugin_"), {})[key] = value


def _flat(messages: Any, prefix: str = "") -> str:
    if isinstance(messages, Mapping):
        return "; ".join(_flat(v, f"{prefix}{k}.") for k, v in messages.items())
    text = ", ".join(str(m) for m in messages) if isinstance(messages, list) else str(messages)
    return f"{prefix.rstrip('.')}: {text}"
