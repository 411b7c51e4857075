from keyun.plugins import Plugin
from keyun_namesake import models  # noqa: F401


class BrokenPlugin(Plugin):
    pass
