from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        return "home.index"

    @hookimpl
    def keyun_fragment(self, place, context):
        return 42
