from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        return "pages"
