"""Sub-sites: a county or a park has a site of its own, which is one row and no deployment."""

from __future__ import annotations

from keyun.sites.models import SubSite

__all__ = ["SubSite"]
