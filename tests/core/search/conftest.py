"""A library of articles to search, and an engine of its own for tests that need no database."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyun.access import system
from keyun.content import Content
from keyun.content.services import create, publish
from keyun.search import Document
from keyun.search.whoosh import WhooshBackend
from keyun.site import Site
from keyun.testing.search import fill, make_document

TYPE = "popsci.article"
make_article = functools.partial(make_document, type=TYPE)


@pytest.fixture(scope="session")
def document() -> Callable[..., Document]:
    """``document(1, "标题", "正文", region=…)``."""
    return make_article


@pytest.fixture(scope="session")
def make_index() -> Callable[[WhooshBackend, Iterable[Document]], None]:
    """``make_index(engine, documents)`` builds the index anew."""
    return fill


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., WhooshBackend]:
    """``engine(document, …)``: an engine with an index of these; without any, an engine without an index."""

    def make(*documents: Document) -> WhooshBackend:
        found = WhooshBackend(tmp_path / "search")
        if documents:
            fill(found, documents)
        return found

    return make


@pytest.fixture
def library(make_site: Callable[..., Site]) -> Site:
    """A site with articles and nothing else."""
    return make_site("popsci")


@pytest.fixture
def write() -> Callable[..., Content]:
    """``write(site, "标题", body=…)`` publishes an article as the operator does."""

    def publish_article(site: Site, title: str, **more: Any) -> Content:
        values = {
            "title": title, "body": "正文", "category": "agriculture", "region": "511424",
            "source": "省农科院", "voucher": "编辑部", **more,
        }  # fmt: skip
        with site.writing() as unit:
            item = create(system(), unit, site.content_type(TYPE), values)
            return publish(system(), unit, item)

    return publish_article


@pytest.fixture
def catch_up(settled: Callable[[Site], None]) -> Callable[[Site], None]:
    """Run the job that keeps the index in step, once."""

    def run(site: Site) -> None:
        settled(site)
        site.jobs["core.search"].run(site)

    return run


@pytest.fixture
def damages(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """For tests that damage files: Whoosh leaves open what it could not read, until it is collected."""
    yield
    # The records hold the errors, the errors hold the files.
    caplog.clear()
    caplog.get_records("call").clear()
    gc.collect()
