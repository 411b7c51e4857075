from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_authenticate(self, identifier, secret):
        raise RuntimeError("no log-in")
