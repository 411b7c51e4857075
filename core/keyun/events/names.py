"""The events the core records. Plugins declare theirs in ``Plugin.events``; both stand in the reference."""

from __future__ import annotations

EVENTS = {
    "content.created": "写了草稿或导入了内容 / a draft was written, or an item imported",
    "content.changed": "内容有改动 / an item was changed",
    "content.submitted": "提交审核 / an item waits for a reviewer",
    "content.published": "公开 / an item became public",
    "content.rejected": "退回 / a reviewer sent an item back",
    "content.withdrawn": "撤回 / an item was taken back",
    "content.expired": "过期 / an item ran out",
    "user.registered": "注册账号 / an account was made",
    "user.imported": "导入账号 / an account was imported",
    "user.changed": "修改个人资料 / a profile was changed",
    "user.password-changed": "更换密码 / a password was changed",
    "user.reset-asked": "请求重设密码 / somebody asked to set a password anew",
    "user.verified": "认证等级改变 / the verification level was changed",
    "user.deactivated": "停用账号 / an account was closed",
    "user.erased": "清除个人信息 / the personal data of an account was erased",
    "organization.imported": "导入单位 / an organization was imported",
    "role.granted": "授予角色 / a role was granted for a region",
    "role.revoked": "收回角色 / a role was taken back",
    "token.created": "生成密钥 / a key for programs was made",
    "plugin.cleared": "解除插件的暂停 / a suspended plugin was cleared",
    "plugin.purged": "清除插件数据 / the data of a plugin was removed",
    "job.retried": "重试任务 / a job was put into the queue again",
    "job.deleted": "放弃任务 / a dead or waiting job was given up",
}
