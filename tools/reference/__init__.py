"""The generated pages of docs/reference, one module for each."""

from __future__ import annotations

from reference.api import api_page
from reference.code import bundled, command_tree, open_site
from reference.commands import command_page
from reference.configuration import configuration_page
from reference.events import event_page
from reference.hooks import hook_page
from reference.manifest import manifest_page
from reference.permissions import permission_page
from reference.surface import surface_page

FOLDER = "docs/reference"
NOTE = "<!-- Written by `python tools/docs_check.py --write` from the code; do not edit. -->\n"


def reference() -> dict[str, str]:
    """Every generated page: its path below the repository and its text."""
    plugins = bundled()
    with open_site(plugins) as site:
        pages = {
            "api": api_page(site),
            "cli": command_page(command_tree(plugins)),
            "configuration": configuration_page(plugins),
            "events": event_page(plugins),
            "hooks": hook_page(plugins),
            "manifest": manifest_page(),
            "permissions": permission_page(site),
            "surface": surface_page(),
        }
    return {f"{FOLDER}/{name}.md": NOTE + text for name, text in pages.items()}
