from keyun.plugins import Permission, Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_permissions(self):
        for _ in range(2):
            yield Permission("double_permission.thing.edit", "改", "edit", frozenset({"admin"}))
