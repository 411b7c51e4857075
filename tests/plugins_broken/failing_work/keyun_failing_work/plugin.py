import sys

import click
from marshmallow import Schema, fields

from keyun.exchange import Importer
from keyun.jobs import Job
from keyun.plugins import Check, Plugin, hookimpl


class Row(Schema):
    name = fields.String(required=True)


def fail(*_arguments, **_more):
    raise RuntimeError("it did not work")


def leave(*_arguments, **_more):
    sys.exit(0)


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_jobs(self):
        yield Job("failing_work.job", fail)
        yield Job("failing_work.leave", leave)

    @hookimpl
    def keyun_commands(self):
        yield click.Command("now", callback=fail)

    @hookimpl
    def keyun_importers(self):
        yield Importer("failures", "失败", Row, fail, "core.import.run", key="name")

    @hookimpl
    def keyun_checks(self):
        yield Check("failing check", fail)
        yield Check("leaving check", leave)
