from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        raise SystemExit(3)

    @hookimpl
    def keyun_committed(self, event):
        raise SystemExit(3)
