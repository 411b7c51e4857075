from keyun.plugins import Plugin


class BrokenPlugin(Plugin):
    pass
