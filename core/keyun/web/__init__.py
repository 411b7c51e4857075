"""Server-rendered pages: layout, home, accounts, search, review."""

from __future__ import annotations

from flask import Flask

from keyun.site import Site


def mount(app: Flask, site: Site) -> None:
    """Add the pages of the core, and everything that every page stands on."""
    from keyun.web import (
        account,
        admin,
        appearance,
        assets,
        compress,
        errors,
        files,
        i18n,
        leaving,
        pages,
        password,
        review,
        search,
        security,
        subsites,
        templating,
    )

    # First here, last of all when an answer leaves.
    compress.mount(app)
    # Inside the proxy setting, so that it sees the host that the visitor asked for.
    subsites.mount(app, site)
    security.mount(app, site)
    i18n.mount(app, site)
    templating.mount(app, site)
    errors.mount(app)
    app.register_blueprint(assets.blueprint(site))
    for part in (pages, appearance, account, password, leaving, review, files, search, admin, subsites):
        app.register_blueprint(part.blueprint())
    security.limit_logins(app, site)
