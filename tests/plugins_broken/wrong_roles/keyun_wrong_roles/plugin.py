from keyun.plugins import Permission, Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_permissions(self):
        yield Permission("wrong_roles.thing.edit", "改", "edit", frozenset({"emperor"}))
