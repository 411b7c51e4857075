from keyun.plugins import Plugin
from keyun_half_models import models  # noqa: F401


class BrokenPlugin(Plugin):
    pass
