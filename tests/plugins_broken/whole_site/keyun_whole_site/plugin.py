from flask import Blueprint

from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint(self.slot, __name__)

        @pages.before_app_request
        def stop():
            raise RuntimeError("every page of the site")

        yield pages
