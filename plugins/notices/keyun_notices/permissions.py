"""What can be allowed in this plugin; each feature declares its own lines."""

from __future__ import annotations

from keyun.plugins import Permission

USER = frozenset({"user"})
SENDERS = frozenset({"staff", "admin"})
ADMIN = frozenset({"admin"})

PERMISSIONS = (
    Permission("notices.notice.send", "发布通知", "publish notices", SENDERS),
    Permission("notices.notice.life", "发布危及生命安全的紧急通知", "publish life-threat notices", ADMIN),
    Permission("notices.notice.cancel", "更新或解除通知", "update or cancel a notice", ADMIN, owner=True),
    Permission("notices.notice.read", "查看已发通知", "look at sent notices", SENDERS, owner=True),
    Permission("notices.notice.prove", "出具送达证明", "prove who was addressed", ADMIN),
    Permission("notices.audience.count", "试算人群", "count audiences", SENDERS),
    Permission("notices.contact.manage", "管理短信联系人", "look after contacts", SENDERS),
    Permission("notices.contact.export", "导出短信联系人的号码", "export numbers of contacts", ADMIN),
    Permission("notices.relay.manage", "管理转达点", "look after relays", SENDERS),
    Permission("notices.relay.pass", "确认已转达", "confirm for a relay", SENDERS, owner=True),
    Permission("notices.relay.own", "使用自己负责的转达点", "use relays one looks after", USER),
    Permission("notices.outbox.view", "查看推送渠道和发送记录", "look at channels and the outbox", ADMIN),
    Permission("notices.outbox.manage", "重发和管理推送渠道", "retry letters and manage channels", ADMIN),
    Permission("notices.call.edit", "发布奖项、政策和项目申报", "publish calls", SENDERS),
    Permission("notices.call.read", "查看申报和自己的资格", "look at calls", USER),
    Permission("notices.profile.edit", "填写自己的推送资料", "state one's profile for notices", USER),
    Permission("notices.inbox.read", "阅读通知", "read one's inbox", USER),
    Permission(
        "notices.preferences.edit",
        "修改自己的通知设置",
        "change one's notice preferences",
        frozenset(),
        owner=True,
    ),
)
