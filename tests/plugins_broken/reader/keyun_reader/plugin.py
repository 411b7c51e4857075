from keyun.plugins import Plugin
from keyun_reader import models  # noqa: F401


class BrokenPlugin(Plugin):
    pass
