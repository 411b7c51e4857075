"""Search: the port, the shared analyzer, Whoosh behind it."""

from __future__ import annotations

from keyun.search.analysis import Analyzer, analyzer
from keyun.search.port import (
    MAX_QUERY,
    MAX_RESULTS,
    Document,
    Hit,
    IndexBusy,
    IndexGone,
    Page,
    Query,
    Ranked,
    SearchBackend,
    SearchSource,
)
from keyun.search.services import Found, Report, rebuild, search, verify

__all__ = [
    "MAX_QUERY",
    "MAX_RESULTS",
    "Analyzer",
    "Document",
    "Found",
    "Hit",
    "IndexBusy",
    "IndexGone",
    "Page",
    "Query",
    "Ranked",
    "Report",
    "SearchBackend",
    "SearchSource",
    "analyzer",
    "rebuild",
    "search",
    "verify",
]
