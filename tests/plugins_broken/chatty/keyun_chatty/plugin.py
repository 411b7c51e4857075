from keyun.plugins import Check, Plugin, hookimpl

print("noise from the import")


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_permissions(self):
        print("noise from a hook")
        return ()

    @hookimpl
    def keyun_checks(self):
        print("noise from a hook")
        yield Check("chatty", self.look)

    def look(self):
        print("noise from a check")
        return ()
