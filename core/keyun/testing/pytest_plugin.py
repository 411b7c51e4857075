"""Fixtures for the tests of Keyun and of any plugin (pytest11 entry point).

Everything from keyun is imported inside the fixtures: pytest loads this module before coverage starts.
"""

from __future__ import annotations
