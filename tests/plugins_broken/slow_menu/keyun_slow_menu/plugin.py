import time

from keyun.plugins import MenuItem, Plugin, hookimpl


class BrokenPlugin(Plugin):
    calls = 0

    @hookimpl
    def keyun_menu(self, actor):
        self.calls += 1
        time.sleep(0.4)
        yield MenuItem("home.index", f"慢 {self.calls}")
