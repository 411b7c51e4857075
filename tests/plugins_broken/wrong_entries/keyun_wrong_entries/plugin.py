from keyun.plugins import MenuItem, Plugin, hookimpl


class Unreadable:
    def __str__(self):
        raise RuntimeError("cannot be read")


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        yield MenuItem("popsci.show", "一条没有编号的条目")
        yield MenuItem("nowhere.index", "没有这一页")
        yield MenuItem("home.index", Unreadable())
