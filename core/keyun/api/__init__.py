"""The JSON API under ``/api/v1``: OpenAPI 3.1, problem+json, paging in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyun.api.fields import Moment, Whole
from keyun.api.operations import ApiBlueprint, narrowed, operation
from keyun.api.paging import Page, PageArguments, page
from keyun.api.schemas import ItemDetailSchema, ItemSchema
from keyun.api.values import item

if TYPE_CHECKING:
    from flask import Flask

    from keyun.site import Site

__all__ = [
    "ApiBlueprint",
    "ItemDetailSchema",
    "ItemSchema",
    "Moment",
    "Page",
    "PageArguments",
    "Whole",
    "item",
    "mount",
    "narrowed",
    "operation",
    "page",
]


def mount(app: Flask, site: Site) -> None:
    """Add the API of the core and of every plugin, its description, and its own errors.

    :raises PluginError: when a plugin's API is not named after its slot.
    """
    from keyun.api.shell import mount as mount_shell

    mount_shell(app, site)
