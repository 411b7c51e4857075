"""The contract suite on this plugin."""

from keyun.testing.contract import contract_tests

test_contract = contract_tests("usage")
