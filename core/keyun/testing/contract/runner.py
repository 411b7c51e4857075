"""Run the suite in a process of its own, so that nothing of the caller is touched."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyun.errors import KeyunError
from keyun.testing.contract.report import Result

#: A plugin that hangs is told so, not waited for.
PATIENCE_SECONDS = 180


def examine(name: str) -> list[Result]:
    """The results of every check on the installed plugin ``name``, enabled or not.

    :raises KeyunError: when there is no such plugin, or the suite itself could not run.
    """
    with tempfile.TemporaryDirectory(prefix="keyun-check-") as folder:
        command = [sys.executable, "-m", "keyun.testing.contract", name, folder]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise KeyunError(
                f"{name} was still being checked after {PATIENCE_SECONDS} s; does it wait?"
            ) from None
        answer = Path(folder) / "results.json"
        if not answer.is_file():
            raise KeyunError(
                done.stderr.strip() or f"the process that checked {name} died ({done.returncode})"
            )
        return [Result.from_dict(r) for r in json.loads(answer.read_text(encoding="utf-8"))]


def contract_tests(name: str) -> Callable[..., Any]:
    """One pytest function with a case for each check: ``test_contract = contract_tests("NAME")``."""
    import pytest

    from keyun.testing.contract.checks import CHECKS

    @functools.cache
    def results() -> dict[str, Result]:
        return {r.id: r for r in examine(name)}

    @pytest.mark.parametrize("check", [c.__name__ for c in CHECKS])
    def test_contract(check: str) -> None:
        """The plugin keeps the contract."""
        result = results()[check]
        assert result.state == "ok", "\n".join(result.lines())

    return test_contract
