from flask import Blueprint

from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint(self.slot, __name__)
        pages.add_url_rule("/", "index", self.index)
        yield pages

    def index(self):
        return "here"
