"""Build the application for one set after another in one process and print what each one is.

``python rebuilding.py INSTANCE '[["popsci"], []]'``: one line of JSON for each set.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from flask import Flask
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PrefixLoader

from keyun.app import create_app
from keyun.runtime import Runtime
from keyun.site import Site

PAGES = ("/", "/login", "/search?q=%E7%A7%91%E6%99%AE", "/popsci/", "/marketplace/", "/api/v1/openapi.json")
#: What differs from request to request.
PASSING = re.compile(r'(csrf_token" value=|csrf-token" content=|nonce=)"[^"]+"')


def describe(app: Flask, site: Site) -> dict[str, object]:
    """Everything that depends on the set of plugins."""
    client = app.test_client()
    answers = {p: client.get(p, headers={"X-Request-Id": "rebuilding"}) for p in PAGES}
    return {
        "plugins": [(slot, p.name) for slot, p in site.plugins.plugins.items()],
        "faults": {n: list(p) for n, p in site.plugins.faults.items()},
        "routes": sorted([r.rule, r.endpoint, *sorted(r.methods or ())] for r in app.url_map.iter_rules()),
        "permissions": [[n, p.title, sorted(p.roles)] for n, p in sorted(site.access.permissions.items())],
        "types": sorted(site.types),
        "jobs": sorted([j.name, j.every] for j in site.jobs.values()),
        "importers": sorted(site.importers),
        "exporters": sorted(site.exporters),
        "sources": sorted(site.sources),
        "globals": sorted(app.jinja_env.globals),
        "filters": sorted(app.jinja_env.filters),
        "templates": list(places(app.jinja_env.loader)),
        "pages": {p: [a.status_code, PASSING.sub("", a.get_data(as_text=True))] for p, a in answers.items()},
    }


def places(loader: BaseLoader | None) -> Iterator[str]:
    """Where templates are looked for, in order."""
    if isinstance(loader, ChoiceLoader):
        for part in loader.loaders:
            yield from places(part)
    elif isinstance(loader, PrefixLoader):
        for prefix, part in sorted(loader.mapping.items()):
            yield prefix
            yield from places(part)
    elif isinstance(loader, FileSystemLoader):
        yield from map(str, loader.searchpath)


def main(instance: str, sets: Sequence[Sequence[str]]) -> None:
    """Print one line for each of ``sets``."""
    for enabled in sets:
        runtime = Runtime.open(Path(instance))
        site = Site.open(runtime, enabled)
        print(json.dumps(describe(create_app(site), site), ensure_ascii=False), flush=True)
        runtime.close()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
