from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        return self.keyun_menu(actor)

    @hookimpl
    def keyun_fragment(self, place, context):
        return self.keyun_fragment(place, context)
