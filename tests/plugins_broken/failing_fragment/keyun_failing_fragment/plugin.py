from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_fragment(self, place, context):
        raise RuntimeError("no fragment")
