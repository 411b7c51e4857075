"""The events this plugin records; the reference and the contract suite read them."""

from __future__ import annotations

EVENTS = {
    "notice.scheduled": "安排定时通知 / a notice waits for its moment",
    "notice.published": "发布通知 / a notice was published and its audience frozen",
    "notice.superseded": "通知被更新 / a newer notice took the place of this one",
    "notice.cancelled": "解除通知 / a notice was cancelled",
    "contact.joined": "短信联系人同意接收通知 / somebody without an account agreed to be told by phone",
    "contact.moved": "短信联系人改了地区 / a contact moved to another region",
    "contact.withdrawn": "短信联系人退订，号码删除 / a contact withdrew and the number was deleted",
    "contact.forgotten": "删除短信联系人的全部资料 / everything about a contact was deleted",
    "relay.added": "设立转达点 / a relay was set up",
    "relay.changed": "修改转达点 / a relay was changed",
    "relay.key-changed": "更换转达点的链接 / a relay got a new key",
    "relay.closed": "停用转达点 / a relay was closed",
    "relay.passed": "转达点确认或更正转达人数 / a relay said that it passed a notice on, or corrected it",
    "profile.changed": "填写或导入推送资料 / what somebody states for notices was changed or imported",
    "call.created": "新建申报 / a call was written",
    "call.changed": "修改申报 / a draft of a call was changed",
    "call.published": "发布申报 / a call was published",
    "call.withdrawn": "撤回申报 / a call was withdrawn",
    "preferences.changed": "修改通知设置 / somebody changed what notices reach him, and how",
}
