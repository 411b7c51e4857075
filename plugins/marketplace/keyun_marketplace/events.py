"""The events this plugin records; the reference and the contract suite read them."""

from __future__ import annotations

EVENTS = {
    "person.changed": "个人专长有改动或导入 / a profile was changed or imported",
    "request.sent": "发出一条联系请求 / a request to get in touch was sent",
    "request.accepted": "接受联系请求，双方可见联系方式 / a request was accepted; both sides see contacts",
    "request.declined": "谢绝联系请求 / a request was declined",
}
