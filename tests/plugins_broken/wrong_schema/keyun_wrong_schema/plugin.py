from flask_smorest import Blueprint
from marshmallow import Schema, fields

from keyun.plugins import Plugin, hookimpl, public


class Lost(Schema):
    inner = fields.Nested("NoSuchSchema")


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_api(self):
        operations = Blueprint(f"{self.slot}-api", __name__)

        @operations.route("/")
        @operations.response(200, Lost)
        @public
        def index():
            return {}

        yield operations
