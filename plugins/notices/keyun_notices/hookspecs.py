"""Hooks that precise push offers to other plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from keyun.plugins import hookspec

if TYPE_CHECKING:
    from keyun_notices.audience.attributes import Attribute
    from keyun_notices.outbox.channels.protocol import Channel
    from keyun_notices.preferences.topics import Topic


@hookspec
def keyun_notices_topics() -> Iterable[Topic | Mapping[str, Any]]:  # type: ignore[empty-body]
    """Return the topics of the plugin that people can subscribe to or refuse.

    A plugin that works without this one imports nothing of it and returns mappings with the fields of
    ``Topic``: ``{"name": "popsci", "title": "科普", "title_en": "Popular science", "frequency": "weekly"}``.

    Called for every fan-out and every page of preferences, so return constants. A topic is known by its
    name for good: notices and refusals carry it. A name that somebody else declares is passed over. A
    failure is logged and the plugin's topics are missing: their notices go by the general defaults.
    """


@hookspec
def keyun_notices_attributes() -> Iterable[Attribute | Mapping[str, Any]]:  # type: ignore[empty-body]
    """Return what the plugin knows about people, so that audiences can ask for it.

    A plugin that works without this one imports nothing of it and returns mappings with the fields of
    ``Attribute``: ``{"name": "workers.award", "title": "奖项", "title_en": "award", "kind": "set",
    "user": Award.user_id, "value": Award.name}``. The name is ``<slot>.<name>``; ``kind`` is ``code``,
    ``number``, ``region`` or ``set``; ``user`` and ``value`` are columns of one table, or ``value`` is a
    scalar subquery. Values are texts of at most 120 characters, or whole numbers of 32 bits.

    Called once in each process. Resident bitmaps follow the event log, so record an event about the user
    (subject type ``user``) with every change; ``through`` names other subjects whose events count, such
    as ``{"workers.award": Award.id}``. A declaration that changes makes the bitmaps anew. A failure is
    logged and the plugin's attributes are missing: expressions that name them are refused.
    """


@hookspec
def keyun_notices_channels() -> Iterable[Channel]:  # type: ignore[empty-body]
    """Return ways to reach people: each a ``Channel`` of ``keyun_notices.outbox.channels.protocol``.

    Called for every run of the outbox and every page of preferences; leave out what is not configured.
    Names of channels and providers are unique in a site. The outbox keeps the pace, the order, quiet hours
    and the tries; ``send`` runs in a job, outside of any transaction, and says honestly what became of each
    letter. Log no address and no text. A failure here is logged and the channels are missing; one of
    ``send`` counts as unknown for its letters, which are not sent again.
    """
