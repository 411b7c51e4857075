"""Between the form, the API and a :class:`Wish`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from keyun.errors import Invalid
from keyun_notices.preferences.models import FREQUENCIES
from keyun_notices.preferences.quiet import clock, minutes
from keyun_notices.preferences.services import MOST_A_DAY, Preferences, Wish
from keyun_notices.preferences.topics import Topic
from keyun_notices.preferences.ways import Way


def from_form(form: MultiDict[str, str], topics: Iterable[Topic]) -> Wish:
    """What the form says. A topic is a frequency and a comma-separated list of channels, empty for all.

    :raises Invalid: with the messages by field.
    """
    wrong: dict[str, list[str]] = {}
    chosen: dict[str, tuple[str, frozenset[str] | None]] = {}
    for topic in topics:
        frequency = form.get(f"frequency-{topic.name}", topic.frequency)
        if frequency not in FREQUENCIES:
            wrong[f"frequency-{topic.name}"] = ["请选择频率。 (Choose how often.)"]
        only = frozenset(filter(None, form.get(f"by-{topic.name}", "").split(",")[:20]))
        chosen[topic.name] = (frequency, only or None)
    quiet = (
        (0, 0)
        if form.get("loud") == "yes"
        else _quiet(form.get("quiet_from"), form.get("quiet_until"), wrong)
    )
    most = form.get("daily_cap", "").strip()
    if most and not (most.isascii() and most.isdigit() and 1 <= int(most[:6]) <= MOST_A_DAY):
        wrong["daily_cap"] = [f"请填写 1 至 {MOST_A_DAY} 的整数。 (A whole number from 1 to {MOST_A_DAY}.)"]
    if wrong:
        raise Invalid(" ".join(t for texts in wrong.values() for t in texts), wrong)
    return Wish(
        channels=frozenset(form.getlist("channel")[:20]),
        topics=chosen,
        inbox_only=form.get("inbox_only") == "yes",
        impersonal=form.get("impersonal") == "yes",
        quiet=quiet,
        daily_cap=int(most) if most else None,
    )


def from_body(body: Mapping[str, Any]) -> Wish:
    """What a program says.

    :raises Invalid: when one end of the quiet hours is missing.
    """
    wrong: dict[str, list[str]] = {}
    quiet = _quiet(body["quiet_from"], body["quiet_until"], wrong)
    if wrong:
        raise Invalid(" ".join(t for texts in wrong.values() for t in texts), wrong)
    return Wish(
        channels=frozenset(body["channels"]),
        topics={
            name: (said["frequency"], None if said["channels"] is None else frozenset(said["channels"]))
            for name, said in body["topics"].items()
        },
        inbox_only=body["inbox_only"],
        impersonal=body["impersonal"],
        quiet=quiet,
        daily_cap=body["daily_cap"],
    )


def to_json(found: Preferences, available: Iterable[Way]) -> dict[str, Any]:
    """What programs get."""
    return {
        "channels": sorted(found.channels),
        "available": [
            {n: getattr(w, n) for n in ("name", "title", "title_en", "reaches")} for w in available
        ],
        "topics": [
            topic_json(t.topic)
            | {"frequency": t.frequency, "channels": sorted(t.channels), "narrowed": t.narrowed}
            for t in found.topics.values()
        ],
        "inbox_only": found.inbox_only,
        "impersonal": found.impersonal,
        "quiet_from": clock(found.quiet_from),
        "quiet_until": clock(found.quiet_until),
        "daily_cap": found.daily_cap,
    }


def to_form(found: Preferences, typed: MultiDict[str, str] | None) -> dict[str, Any]:
    """What the form shows: what holds, or what was ``typed`` when that was refused."""
    if typed is None:
        return {
            "channels": found.channels,
            "inbox_only": found.inbox_only,
            "impersonal": found.impersonal,
            "loud": found.quiet_from == found.quiet_until,
            "quiet_from": clock(found.quiet_from),
            "quiet_until": clock(found.quiet_until),
            "daily_cap": found.daily_cap,
            "topics": [
                (t.topic, t.frequency, ",".join(sorted(t.channels)) if t.narrowed else "")
                for t in found.topics.values()
            ],
        }
    said: dict[str, Any] = {n: typed.get(n) == "yes" for n in ("inbox_only", "impersonal", "loud")}
    said |= {n: typed.get(n, "")[:20] for n in ("quiet_from", "quiet_until", "daily_cap")}
    topics = [
        (t.topic, typed.get(f"frequency-{n}", ""), typed.get(f"by-{n}", "")[:400])
        for n, t in found.topics.items()
    ]
    return {**said, "channels": typed.getlist("channel"), "topics": topics}


def topic_json(topic: Topic) -> dict[str, Any]:
    """One topic for programs."""
    return {n: getattr(topic, n) for n in ("name", "title", "title_en", "summary", "summary_en", "frequency")}


def _quiet(start: str | None, end: str | None, wrong: dict[str, list[str]]) -> tuple[int, int] | None:
    if not start and not end:
        return None
    try:
        return minutes(start or ""), minutes(end or "")
    except ValueError:
        wrong["quiet_from"] = [
            "请写明从几点到几点，如 22:00 至 07:00。 (Give both times, such as 22:00 and 07:00.)"
        ]
        return None
