"""Pages of preferences: the form, the signed link, the feed."""

from __future__ import annotations

from keyun.testing import MakeApp, MakeSite, browse, make_user

MAIL = {"mail": {"host": "localhost", "sender": "科云 <cloud@example.org>"}}


def test_somebody_who_is_logged_in_sees_the_defaults_and_changes_them(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    site = make_site("notices", config=MAIL)
    with site.writing() as unit:
        user = make_user(unit)
    browser = browse(make_app(site=site))
    assert browser.get("/notices/preferences").status_code == 303
    browser.log_in(user)
    page = browser.get("/notices/preferences").get_data(as_text=True)
    assert 'value="22:00"' in page
    print(page)
    answer = browser.submit("/notices/preferences", {"channel": "mail", "frequency-awards": "daily"})
    assert answer.status_code == 303, answer.get_data(as_text=True)
