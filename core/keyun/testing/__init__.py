"""The test kit: fixtures come by themselves (see ``pytest_plugin``), factories are imported from here."""

from __future__ import annotations

from keyun.testing.clients import Browser, browse
from keyun.testing.clock import Clock
from keyun.testing.factories import make_item, make_organization, make_user
from keyun.testing.makers import MakeApp, MakeInstance, MakeSite

__all__ = [
    "Browser",
    "Clock",
    "MakeApp",
    "MakeInstance",
    "MakeSite",
    "browse",
    "make_item",
    "make_organization",
    "make_user",
]
