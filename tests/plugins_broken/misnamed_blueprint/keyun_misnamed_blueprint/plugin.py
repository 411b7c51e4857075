from flask import Blueprint

from keyun.plugins import Plugin, hookimpl, public


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint("popsci", __name__)
        pages.add_url_rule("/", "index", self.index)
        yield pages

    @public
    def index(self):
        return "here"
