"""Search: the port, the shared analyzer, and an engine behind it: Whoosh unless a plugin brings one."""

from __future__ import annotations

from keyun.search.analysis import HAN, Analyzer, Span, analyzer
from keyun.search.port import (
    MAX_QUERY,
    MAX_RESULTS,
    Document,
    Hit,
    IndexBusy,
    IndexGone,
    NewIndex,
    Page,
    Query,
    Ranked,
    SearchBackend,
    SearchSource,
)
from keyun.search.question import Question, ask
from keyun.search.services import Found, Report, SearchUnavailable, rebuild, search, verify

__all__ = [
    "HAN",
    "MAX_QUERY",
    "MAX_RESULTS",
    "Analyzer",
    "Document",
    "Found",
    "Hit",
    "IndexBusy",
    "IndexGone",
    "NewIndex",
    "Page",
    "Query",
    "Question",
    "Ranked",
    "Report",
    "SearchBackend",
    "SearchSource",
    "SearchUnavailable",
    "Span",
    "analyzer",
    "ask",
    "rebuild",
    "search",
    "verify",
]
