"""The plugin keeps the contract."""

from __future__ import annotations

from keyun.testing.contract import contract_tests

test_contract = contract_tests("notices")
