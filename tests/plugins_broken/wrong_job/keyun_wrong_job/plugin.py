from keyun.jobs import Job
from keyun.plugins import Plugin, hookimpl


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_jobs(self):
        yield Job("wrong_job.tick", print, every=0)
