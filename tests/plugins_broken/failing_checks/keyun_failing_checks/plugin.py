from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_checks(self):
        raise RuntimeError("cannot say")

    @hookimpl
    def keyun_commands(self):
        raise RuntimeError("no commands")

    @hookimpl
    def keyun_demo(self):
        raise RuntimeError("no demonstration")
