from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_committed(self, event):
        raise RuntimeError("no reaction")
