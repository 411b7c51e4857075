"""Administrative divisions with effective dates (GB/T 2260)."""

from __future__ import annotations

from keyun.regions.codes import contains, level, nearness, parent_code, subtree
from keyun.regions.models import Region
from keyun.regions.services import Resolution, Tree, concerning, load_bundled, load_file, tree

__all__ = [
    "Region",
    "Resolution",
    "Tree",
    "concerning",
    "contains",
    "level",
    "load_bundled",
    "load_file",
    "nearness",
    "parent_code",
    "subtree",
    "tree",
]
