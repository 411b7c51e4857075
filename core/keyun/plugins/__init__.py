"""What a plugin imports first; the public surface is the ``__all__`` of this module."""

from __future__ import annotations

from keyun.access import Permission, public, requires
from keyun.hookspecs import API_VERSION, Check, DemoFile, Derived, Fragment, MenuItem, hookimpl, hookspec
from keyun.plugins.base import Plugin
from keyun.plugins.deprecation import KeyunDeprecation, RemovedInKeyun2
from keyun.plugins.manifest import Manifest

__all__ = [
    "API_VERSION",
    "Check",
    "DemoFile",
    "Derived",
    "Fragment",
    "KeyunDeprecation",
    "Manifest",
    "MenuItem",
    "Permission",
    "Plugin",
    "RemovedInKeyun2",
    "hookimpl",
    "hookspec",
    "public",
    "requires",
]
