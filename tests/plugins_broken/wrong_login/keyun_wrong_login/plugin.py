from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_authenticate(self, identifier, secret):
        return True

    @hookimpl
    def keyun_message_channels(self):
        return "mail"
