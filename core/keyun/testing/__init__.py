"""The test kit: fixtures come by themselves (see ``pytest_plugin``), factories are imported from here."""

from __future__ import annotations

from keyun.testing.clients import Browser, browse
from keyun.testing.clock import Clock
from keyun.testing.factories import make_organization, make_user

__all__ = ["Browser", "Clock", "browse", "make_organization", "make_user"]
