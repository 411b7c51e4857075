"""This node for programs."""

from __future__ import annotations

from keyun.access import public
from keyun.api import ApiBlueprint, operation
from keyun.web.context import actor, reading
from keyun_bayu_bridge import services
from keyun_bayu_bridge.schemas import NodeSchema


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/bayu_bridge``."""
    api = ApiBlueprint(name, __name__, description="巴蜀科技云 / Bayu Bridge")
    operation(api, "/node", node, NodeSchema, "本节点 / This node")
    return api


@public
def node() -> services.Node:
    """Who runs this node, and how many published items declare themselves shareable; nothing is sent."""
    return services.node(actor(), reading())
