from keyun.plugins import Plugin
from keyun_taken_type import models  # noqa: F401


class BrokenPlugin(Plugin):
    pass
