"""RSS 2.0 and Atom (RFC 4287), written by hand: two small documents with every text escaped."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

#: What XML 1.0 cannot hold, not even escaped.
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: The moment of a feed that never had an entry.
NEVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One notice: its random id, title, address, text as HTML, topic, and when it was published."""

    id: str
    title: str
    link: str
    html: str
    topic: str
    author: str
    published: dt.datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """A whole document: what it is called, its page, its own address, and when it last changed."""

    title: str
    summary: str
    page: str
    address: str
    author: str
    language: str
    changed: dt.datetime | None
    entries: Sequence[Entry]


def rss(feed: Feed) -> bytes:
    """``feed`` as RSS 2.0."""
    at = format_datetime((feed.changed or NEVER).astimezone(dt.UTC), usegmt=True)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>',
        f"<title>{text(feed.title)}</title>",
        f"<link>{text(feed.page)}</link>",
        f"<description>{text(feed.summary)}</description>",
        f"<language>{text(feed.language)}</language>",
        f"<lastBuildDate>{at}</lastBuildDate>",
        f'<atom:link rel="self" type="application/rss+xml" href={attribute(feed.address)}/>',
        *(line for entry in feed.entries for line in _item(entry)),
        "</channel></rss>",
    ]
    return ("\n".join(lines) + "\n").encode()


def atom(feed: Feed) -> bytes:
    """``feed`` as Atom."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang={attribute(feed.language)}>',
        f"<title>{text(feed.title)}</title>",
        f"<subtitle>{text(feed.summary)}</subtitle>",
        f"<id>{text(feed.address)}</id>",
        f"<updated>{_moment(feed.changed or NEVER)}</updated>",
        f"<author><name>{text(feed.author)}</name></author>",
        f'<link rel="self" type="application/atom+xml" href={attribute(feed.address)}/>',
        f'<link rel="alternate" type="text/html" href={attribute(feed.page)}/>',
        *(line for entry in feed.entries for line in _entry(entry)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def text(value: str) -> str:
    """``value`` as the text of an element, without the characters that XML has no place for."""
    return escape(ILLEGAL.sub("", value))


def attribute(value: str) -> str:
    """``value`` as the quoted value of an attribute."""
    return quoteattr(ILLEGAL.sub("", value))


def _item(entry: Entry) -> Iterable[str]:
    yield "<item>"
    yield f"<title>{text(entry.title)}</title>"
    yield f"<link>{text(entry.link)}</link>"
    yield f'<guid isPermaLink="false">urn:uuid:{text(entry.id)}</guid>'
    yield f"<pubDate>{format_datetime(entry.published.astimezone(dt.UTC), usegmt=True)}</pubDate>"
    yield f"<category>{text(entry.topic)}</category>"
    yield f"<description>{text(entry.html)}</description>"
    yield "</item>"


def _entry(entry: Entry) -> Iterable[str]:
    yield "<entry>"
    yield f"<title>{text(entry.title)}</title>"
    yield f"<id>urn:uuid:{text(entry.id)}</id>"
    yield f'<link rel="alternate" type="text/html" href={attribute(entry.link)}/>'
    yield f"<published>{_moment(entry.published)}</published>"
    yield f"<updated>{_moment(entry.published)}</updated>"
    yield f"<author><name>{text(entry.author)}</name></author>"
    yield f"<category term={attribute(entry.topic)}/>"
    yield f'<content type="html">{text(entry.html)}</content>'
    yield "</entry>"


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
