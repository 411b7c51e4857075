from keyun.plugins import Plugin
from keyun_lost_backref import models  # noqa: F401


class BrokenPlugin(Plugin):
    pass
