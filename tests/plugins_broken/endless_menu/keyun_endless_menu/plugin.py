from keyun.plugins import MenuItem, Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        while True:
            yield MenuItem("home.index", "又一个")
