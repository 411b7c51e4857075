"""Server-rendered pages: layout, home, accounts, search, review."""

from __future__ import annotations

from flask import Flask

from keyun.site import Site


def mount(app: Flask, site: Site) -> None:
    """Add the pages of the core, and everything that every page stands on."""
    from keyun.web import account, assets, errors, i18n, pages, review, search, security, templating

    security.mount(app, site)
    i18n.mount(app, site)
    templating.mount(app, site)
    errors.mount(app)
    app.register_blueprint(assets.blueprint(site))
    for part in (pages, account, review, search):
        app.register_blueprint(part.blueprint())
    security.limit_logins(app, site)
