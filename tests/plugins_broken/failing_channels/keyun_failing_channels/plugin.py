from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_message_channels(self):
        raise RuntimeError("no channels")
