"""The contract suite: about fifty checks that any plugin passes, ours included.

``keyun plugins check NAME`` runs it on an installed plugin; the tests of a plugin run it with
``test_contract = contract_tests("NAME")``.
"""

from __future__ import annotations

from keyun.testing.contract.report import Problem, Result
from keyun.testing.contract.runner import contract_tests, examine
from keyun.testing.contract.surface import SURFACE, public_names

__all__ = ["SURFACE", "Problem", "Result", "contract_tests", "examine", "public_names"]
