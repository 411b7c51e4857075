"""What authors and reviewers are told, by message, in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyun.access import Actor
from keyun.content.models import Content
from keyun.messages import send
from keyun.reviews.models import Review
from keyun.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class News:
    """One kind of message; ``{title}`` stands for the title of the item."""

    reason: str
    subject: str
    text: str


PUBLIC = News(
    "core.review-approved",
    "已通过审核：{title}",
    "《{title}》已通过审核，现已公开。\nIt is approved and public.",
)
RETURNED = News(
    "core.review-returned",
    "请修改：{title}",
    "审核员请您修改《{title}》，改后再提交。\nA reviewer asks for changes.",
)
REJECTED = News("core.review-rejected", "未通过审核：{title}", "《{title}》未通过审核。\nIt is rejected.")
REOPENED = News(
    "core.review-reopened",
    "重新审核：{title}",
    "《{title}》正在重新审核，有结果前不公开。\nIt is reviewed again.",
)
COMMENTED = News(
    "core.review-commented", "审核留言：{title}", "《{title}》的审核中有新留言。\nThere is a new comment."
)
HANDED = News(
    "core.review-handed-over", "请审核：{title}", "同事请您审核《{title}》。\nA colleague hands it to you."
)


def author(
    actor: Actor, unit: UnitOfWork, review: Review, item: Content, news: News, words: str = ""
) -> None:
    """Tell whoever owns or submitted the item, unless that is who acts."""
    for number in dict.fromkeys((item.owner_id, review.asked_by_id)):
        if number in (None, actor.user_id):
            continue
        _send(unit, number, review, item, news, words)


def reviewer(
    actor: Actor, unit: UnitOfWork, review: Review, item: Content, news: News, words: str = ""
) -> None:
    """Tell whoever claimed the review, unless that is who acts."""
    if review.reviewer_id not in (None, actor.user_id):
        _send(unit, review.reviewer_id, review, item, news, words)


def overdue(unit: UnitOfWork, reviews: Mapping[int, list[str]]) -> None:
    """Tell each of the reviewers which texts wait too long: titles by user id."""
    for number, titles in sorted(reviews.items()):
        lines = "\n".join(f"《{t}》" for t in titles)
        text = f"这些内容的审核已超过期限：\nThese reviews are overdue:\n\n{lines}\n\n{_address(unit, '')}"
        subject = f"{len(titles)} 条审核已超期 ({len(titles)} reviews are overdue)"
        send(unit, number, subject, text.strip(), reason="core.review-overdue")


def _send(
    unit: UnitOfWork, number: int | None, review: Review, item: Content, news: News, words: str
) -> None:
    if number is None:
        return
    said = [news.text.format(title=item.title), words, _address(unit, f"/{review.public_id}")]
    text = "\n\n".join(part for part in said if part)
    send(unit, number, news.subject.format(title=item.title), text, reason=news.reason)


def _address(unit: UnitOfWork, page: str) -> str:
    """Where the page is; empty when the operator has not said where the site is."""
    url = unit.site.runtime.config.site["url"]
    return f"{url}/review{page}" if url else ""
