from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_permissions(self):
        return "wrong_permissions.thing.edit"
