from keyun.plugins import Permission, Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_permissions(self):
        yield Permission("core.role.grant", "授予角色", "grant a role", frozenset({"anyone"}))
