"""The pages of the inbox as people see them."""

from __future__ import annotations

from typing import Any

from keyun.accounts import User
from keyun.testing import Browser, MakeApp, browse

Push = Any


def browser(town: Push, make_app: MakeApp, login: str) -> Browser:
    """The browser of ``login``."""
    client = browse(make_app(site=town.site))
    client.log_in(town.reading(lambda u: u.session.get_one(User, town.people[login])))
    return client


def test_the_menu_counts_what_is_not_opened(town: Push, make_app: MakeApp) -> None:
    town.publish("n1")
    town.publish("n2")
    client = browser(town, make_app, "an")
    assert "通知（2）" in client.get("/").get_data(as_text=True)
    client.get(f"/notices/inbox/{town.notice('n1').public_id}")
    assert "通知（1）" in client.get("/").get_data(as_text=True)
    assert "通知（" not in browse(make_app(site=town.site)).get("/").get_data(as_text=True)


def test_a_list_that_was_shown_is_noted_and_stays_unread(town: Push, make_app: MakeApp) -> None:
    from keyun_notices.inbox.models import Receipt

    notice = town.publish("n1")
    client = browser(town, make_app, "an")
    assert "未读" in client.get("/notices/").get_data(as_text=True)
    found = town.reading(lambda u: u.session.get(Receipt, (town.people["an"], notice.id)))
    assert found is not None and found.shown_at is not None and found.opened_at is None
    assert "未读" in client.get("/notices/").get_data(as_text=True)


def test_a_notice_says_why_and_takes_the_word_that_it_is_done(town: Push, make_app: MakeApp) -> None:
    notice = town.publish("n1", title="领取种子", body="## 地点\n东坡区", link="https://example.org/seeds")
    client = browser(town, make_app, "an")
    page = client.get(f"/notices/inbox/{notice.public_id}").get_data(as_text=True)
    for text in (
        "领取种子",
        "<h2>地点</h2>",
        "https://example.org/seeds",
        "为什么发给我",
        "地区在四川省眉山市",
    ):
        assert text in page
    done = client.submit(f"/notices/inbox/{notice.public_id}/acted")
    assert done.status_code == 303
    assert "办结" in client.get(done.location).get_data(as_text=True)


def test_updates_and_ends_say_so(town: Push, make_app: MakeApp) -> None:
    first = town.publish("n1", title="旧的")
    town.publish("n2", title="新的", kind="update", refers_to=("n1",))
    client = browser(town, make_app, "an")
    page = client.get("/notices/").get_data(as_text=True)
    assert "新的" in page and "旧的" not in page and "更新" in page
    assert "已被更新" in client.get(f"/notices/inbox/{first.public_id}").get_data(as_text=True)
    note = town.cancel("n2", body="雨停了。")
    assert "已解除" in client.get("/notices/").get_data(as_text=True)
    shown = client.get(f"/notices/inbox/{note.public_id}").get_data(as_text=True)
    assert "雨停了。" in shown and "因为被解除的通知发给过你" in shown


def test_the_pages_are_complete_in_english(town: Push, make_app: MakeApp) -> None:
    notice = town.publish("n1")
    client = browser(town, make_app, "an")
    client.get("/lang?lang=en&next=/")
    assert "My notices" in client.get("/notices/").get_data(as_text=True)
    page = client.get(f"/notices/inbox/{notice.public_id}").get_data(as_text=True)
    assert "Why do I get this?" in page and "You met all conditions" in page


def test_a_long_inbox_has_pages(town: Push, make_app: MakeApp) -> None:
    for n in range(23):
        town.publish(f"n{n:02}")
    client = browser(town, make_app, "an")
    page = client.get("/notices/").get_data(as_text=True)
    assert "通知 n22" in page and "通知 n02" not in page
    after = page.split('rel="next" href="')[1].split('"')[0]
    assert "通知 n02" in client.get(after).get_data(as_text=True)


def test_markdown_of_a_notice_brings_no_script(town: Push, make_app: MakeApp) -> None:
    notice = town.publish("n1", title="<b>x</b>", body="<script>alert(1)</script> [x](javascript:alert(1))")
    page = browser(town, make_app, "an").get(f"/notices/inbox/{notice.public_id}").get_data(as_text=True)
    assert "<script>alert" not in page and 'href="javascript:' not in page and "<b>x</b>" not in page
