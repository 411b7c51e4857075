"""Hooks of the bridge; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

import click
from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.plugins import MenuItem, Plugin, hookimpl
from keyun_bayu_bridge import commands, views


class BayuBridgePlugin(Plugin):
    """巴蜀科技云."""

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot)

    @hookimpl
    def keyun_commands(self) -> Iterable[click.Command]:
        yield commands.status

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("bayu_bridge.index", _("巴蜀科技云"), 60)
