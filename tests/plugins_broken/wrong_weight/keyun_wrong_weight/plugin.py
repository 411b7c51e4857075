from keyun.plugins import Fragment, MenuItem, Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        yield MenuItem("home.index", "首", "first")

    @hookimpl
    def keyun_fragment(self, place, context):
        yield Fragment(None)
