"""What the steps of sending hand on in one hidden field: nothing lies on the server until it is published."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from keyun.site import Site
from keyun_notices.publishing.draft import MOST_REGIONS, Kept

#: Longer than the longest notice with the longest audience.
MOST = 400_000
#: What is typed on the page of the message; boxes that are not ticked are missing.
TEXTS = (
    "topic", "title", "body", "link", "organization", "starts_at", "expires_at", "contacts", "relays",
    "life", "life_sure",
)  # fmt: skip
EVERYBODY: Mapping[str, Any] = {"all": []}


@dataclass(frozen=True, slots=True)
class Carried:
    """A notice on its way: whom it is for, what it says, and the key that makes it one notice.

    ``of`` is the public id of the notice that it updates, empty for a new one. ``kept`` are signed names
    of files that lie in the instance already.
    """

    ikey: str
    of: str = ""
    scope: tuple[str, ...] = ()
    audience: Any = field(default_factory=lambda: EVERYBODY)
    text: Mapping[str, str] = field(default_factory=dict)
    kept: str = ""

    @property
    def kind(self) -> str:
        """What it will be."""
        return "update" if self.of else "notice"

    def dump(self) -> str:
        """The hidden field."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


def new_key() -> str:
    """An idempotency key: one for each notice that somebody begins to write."""
    return f"page:{uuid.uuid4()}"


def load(text: str) -> Carried:
    """What :meth:`Carried.dump` wrote; of what is broken, the whole parts."""
    found = _json(text)
    scope, texts, key = found.get("scope"), found.get("text"), str(found.get("ikey"))
    return Carried(
        key if _is_text(key, 160) and key.startswith("page:") else new_key(),
        found["of"] if _is_text(found.get("of"), 36) else "",
        tuple(c for c in scope[:MOST_REGIONS] if _is_text(c, 6)) if isinstance(scope, list) else (),
        found.get("audience", EVERYBODY),
        {k: v for k, v in texts.items() if k in TEXTS and _is_text(v, MOST)}
        if isinstance(texts, dict)
        else {},
        found["kept"] if _is_text(found.get("kept"), MOST) else "",
    )


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if len(text) <= MOST else {}
        # Half of a surrogate pair can be written in JSON and shown nowhere.
        text.encode()
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and "\x00" not in value


def sign(site: Site, files: Sequence[Kept]) -> str:
    """``files`` as a text that only this site can have written."""
    return str(_signer(site).dumps([asdict(f) for f in files])) if files else ""


def unsign(site: Site, text: str) -> tuple[Kept, ...]:
    """The files in ``text``; none when it was not signed here."""
    if not text:
        return ()
    try:
        return tuple(Kept(**f) for f in _signer(site).loads(text))
    except (BadData, TypeError):
        return ()


def _signer(site: Site) -> URLSafeSerializer:
    return URLSafeSerializer(site.runtime.config.secret_file.read_bytes(), salt="notices.compose")
