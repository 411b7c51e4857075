"""Hooks of 巴蜀科技云; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.plugins import MenuItem, Permission, Plugin, hookimpl
from keyun_bayu_bridge import api, commands, services, views

if TYPE_CHECKING:
    from flask_smorest import Blueprint as ApiBlueprint


class BayuBridgePlugin(Plugin):
    """This node among others."""

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot)

    @hookimpl
    def keyun_api(self) -> Iterable[ApiBlueprint]:
        yield api.blueprint(f"{self.slot}-api")

    @hookimpl
    def keyun_commands(self) -> Iterable[click.Command]:
        return commands.commands()

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        return services.permissions()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("bayu_bridge.index", _("巴蜀科技云"), 60)
