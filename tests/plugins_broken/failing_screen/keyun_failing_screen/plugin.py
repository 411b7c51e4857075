from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_content_screen(self, actor, draft):
        raise RuntimeError("no verdict")
