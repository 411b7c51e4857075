"""What it means that somebody opened an item: the value that the hook ``keyun_content_opened`` gets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opening:
    """A public item was shown to somebody.

    ``region`` is where the reader is at home: the region of the account (``located`` is ``account``),
    else the one that the address or the sub-site names (``chosen``), else that of the item (``item``);
    None (``""``) when there is none. ``channel`` is ``web``, ``phone``, ``api`` or a name that a plugin
    gives. ``agent`` is what asked: ``browser``, ``phone``, ``wechat``, ``program``, ``robot``,
    ``prefetch`` or ``unknown``. ``visitor`` is a 64-bit pseudonym that leads nowhere: its salt is
    replaced every day, so nobody is known again tomorrow; 0 when there is none.
    """

    item_id: int
    type: str
    region: str | None
    located: str
    channel: str
    agent: str
    user_id: int | None
    visitor: int
    at: dt.datetime
