"""Search: the port, the shared analyzer, Whoosh behind it."""

from __future__ import annotations

from keyun.search.analysis import Analyzer, analyzer
from keyun.search.port import Document, Hit, Page, Query, Ranked, SearchBackend, SearchSource
from keyun.search.services import Found, rebuild, search, verify

__all__ = [
    "Analyzer",
    "Document",
    "Found",
    "Hit",
    "Page",
    "Query",
    "Ranked",
    "SearchBackend",
    "SearchSource",
    "analyzer",
    "rebuild",
    "search",
    "verify",
]
