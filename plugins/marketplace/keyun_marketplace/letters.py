"""What the marketplace tells people by mail: that something waits in the inbox, never who or what it says."""

from __future__ import annotations

from keyun.messages import send
from keyun.uow import UnitOfWork
from keyun_marketplace.models import Need, Request

INBOX = "/marketplace/inbox"


def asked(unit: UnitOfWork, request: Request, need: Need) -> None:
    """Tell the receiver that somebody asks for help."""
    _write(
        unit,
        request.receiver_id,
        "有人请您帮忙 (somebody asks for your help)",
        f"有一条需求联系了您：{need.title}",
        f"A need asks for your help: {need.title}",
        "marketplace.request.sent",
    )


def answered(unit: UnitOfWork, request: Request) -> None:
    """Tell the sender that there is an answer."""
    title = request.need.title
    _write(
        unit,
        request.sender_id,
        "您的联系有了答复 (your request is answered)",
        f"您为这条需求发出的联系有了答复：{title}",
        f"The request for your need is answered: {title}",
        "marketplace.request.answered",
    )


def _write(unit: UnitOfWork, user_id: int, subject: str, chinese: str, english: str, reason: str) -> None:
    config = unit.site.runtime.config.site
    place = f"{config['url']}{INBOX}" if config["url"] else config["title"]
    text = (
        f"{chinese}\n请在收件箱查看：{place}\n不想再收到邮件，可在“我的账号”里关闭。\n\n"
        f"{english}\nSee your inbox. To get no more mail, switch it off on your account page.\n"
    )
    send(unit, user_id, subject, text, reason=reason)
