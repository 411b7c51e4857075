"""The process that looks at one plugin: ``python -m keyun.testing.contract NAME FOLDER``."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from keyun.plugins.manager import Installation
from keyun.testing.contract.checks import run
from keyun.testing.contract.subject import prepare


def main(name: str, folder: Path) -> int:
    """Write ``results.json`` into ``folder``; returns the exit code."""
    logging.disable(logging.CRITICAL)
    installation = Installation.scan()
    if name in installation.problems:
        print(installation.problems[name], file=sys.stderr)
        return 1
    if name not in installation.manifests:
        print(f"no plugin {name!r} is installed; see `keyun plugins list`", file=sys.stderr)
        return 1
    with prepare(name, installation, folder) as subject:
        results = [r.as_dict() for r in run(subject)]
    (folder / "results.json").write_text(json.dumps(results, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
