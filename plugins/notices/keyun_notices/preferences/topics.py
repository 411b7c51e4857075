"""Topics: what people subscribe to. Plugins declare them by the hook ``keyun_notices_topics``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keyun.site import Site
from keyun_notices.preferences.models import AT_ONCE, FREQUENCIES, WEEKLY

__all__ = ["BUNDLED", "Topic", "topic", "topics"]

log = logging.getLogger(__name__)
NAME = re.compile(r"[a-z][a-z0-9.-]{0,59}")
#: More than a person can decide about.
MOST = 100


@dataclass(frozen=True, slots=True)
class Topic:
    """Something people may want to hear of, or not.

    ``channels`` carry it for who turned them on and said nothing else (None: each of them), ``frequency``
    is ``at-once``, ``daily``, ``weekly`` or ``never`` for who said nothing else. Smaller ``weight`` stands
    higher.
    """

    name: str
    title: str
    title_en: str
    summary: str = ""
    summary_en: str = ""
    channels: tuple[str, ...] | None = None
    frequency: str = AT_ONCE
    weight: int = 50

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(f"a topic is named with small letters, digits, dots and hyphens: {self.name!r}")
        if self.frequency not in FREQUENCIES:
            raise ValueError(f"topic {self.name}: {self.frequency!r} is none of {', '.join(FREQUENCIES)}")


BUNDLED = (
    Topic("general", "综合通知", "General notices", weight=10),
    Topic(
        "awards", "评审奖励", "Awards and calls", "申报、评审和奖励", "Calls, reviews and awards", weight=20
    ),
    Topic(
        "policies",
        "政策服务",
        "Policies",
        "新出台的政策和办事指南",
        "New policies and how to use them",
        frequency=WEEKLY,
        weight=30,
    ),
)


def topics(site: Site) -> Mapping[str, Topic]:
    """Every topic by its name, in the order of weight; a plugin that fails in its hook is left out."""
    found: dict[str, Topic] = {}
    for declared in _declared(site):
        if declared.name in found:
            log.error("topic %s is declared twice; the first one counts", declared.name)
        elif len(found) < MOST:
            found[declared.name] = declared
    return {t.name: t for t in sorted(found.values(), key=lambda t: (t.weight, t.name))}


def topic(site: Site, name: str) -> Topic:
    """The topic ``name``; one whose plugin is off goes by the general defaults."""
    return topics(site).get(name) or Topic(name, name, name)


def _declared(site: Site) -> Iterable[Topic]:
    for impl in site.plugins.hook.keyun_notices_topics.get_hookimpls():
        try:
            # A plugin that works without this one imports nothing of it, and gives plain mappings.
            found = [t if isinstance(t, Topic) else Topic(**t) for t in impl.function()]
        except Exception:
            log.exception("a plugin failed in keyun_notices_topics; its topics are missing")
        else:
            yield from found
