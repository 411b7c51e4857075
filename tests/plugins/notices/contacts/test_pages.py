"""Pages, API, files and commands of contacts: masked numbers, own regions, nothing by guessing."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyun.access import system
from keyun.accounts import User, actor_for
from keyun.cli import cli
from keyun.errors import Forbidden
from keyun.exchange import run, write
from keyun.testing import Browser, MakeApp, browse
from tests.plugins.notices.conftest import DANLENG, DONGPO, JIANYANG, MEISHAN
from tests.plugins.notices.contacts.conftest import Phones, number

FORM = {"phone": number(1), "region": DONGPO, "consented_on": "2026-01-02", "evidence": "登记表第 1 页"}


@pytest.fixture
def staff(phones: Phones, make_app: MakeApp) -> Browser:
    """The browser of staff for Meishan."""
    user = phones.push.person("staff", roles=[("staff", MEISHAN)])
    client = browse(make_app(site=phones.site))
    client.log_in(user)
    return client


def keyun(phones: Phones, *arguments: str) -> Result:
    """Run ``keyun notices contacts …`` on the site."""
    start = ["--instance", str(phones.site.runtime.instance), "notices", "contacts"]
    return CliRunner().invoke(cli, [*start, *arguments])


def test_staff_record_a_consent_and_withdraw_it_on_pages_that_mask_the_number(
    staff: Browser, phones: Phones
) -> None:
    answer = staff.submit("/notices/contacts/new", FORM)
    assert answer.status_code == 303
    for path in (answer.location, "/notices/contacts"):
        answered = staff.get(path)
        page = answered.get_data(as_text=True)
        assert "138****0001" in page and number(1) not in page
        assert answered.headers["Cache-Control"] == "no-store"
    assert "登记表第 1 页" in staff.get(answer.location).get_data(as_text=True)
    assert staff.submit(f"{answer.location}/withdraw").status_code == 303
    assert "已退订，号码已删除" in staff.get(answer.location).get_data(as_text=True)
    assert phones.active() == set()


def test_a_wrong_form_comes_back_with_what_was_typed(staff: Browser, phones: Phones) -> None:
    answer = staff.submit("/notices/contacts/new", {**FORM, "evidence": "", "consented_on": "2999-01-01"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "必填" in page and number(1) in page
    assert staff.submit("/notices/contacts/new", {**FORM, "region": JIANYANG}).status_code == 403
    assert phones.all() == []


def test_a_list_of_many_is_read_page_by_page(staff: Browser, phones: Phones) -> None:
    phones.join(*range(60))
    phones.join(99, region=JIANYANG)
    first = staff.get("/notices/contacts").get_data(as_text=True)
    assert "138****0059" in first and "138****0009" not in first and "138****0099" not in first
    after = first.partition("after=")[2].partition('"')[0]
    assert "138****0009" in staff.get(f"/notices/contacts?after={after}").get_data(as_text=True)
    assert staff.get("/notices/contacts?after=rubbish").status_code == 422


def test_visitors_readers_and_staff_of_elsewhere_see_nobody(phones: Phones, make_app: MakeApp) -> None:
    phones.join(1, region=DONGPO)
    page = f"/notices/contacts/{phones.of(1).public_id}"
    app = make_app(site=phones.site)
    visitor, reader, other = browse(app), browse(app), browse(app)
    reader.log_in(phones.push.person("reader"))
    other.log_in(phones.push.person("other", roles=[("staff", JIANYANG)]))
    assert visitor.get(page).status_code == 303 and visitor.get("/notices/contacts").status_code == 303
    assert reader.get(page).status_code == 403 and reader.get("/notices/contacts").status_code == 403
    assert other.get(page).status_code == 404 and "138****" not in other.get("/notices/contacts").get_data(
        as_text=True
    )
    assert other.submit(f"{page}/withdraw").status_code == 404
    assert phones.active() == {number(1)}


def test_the_sheet_has_a_code_without_script_or_style(staff: Browser) -> None:
    page = staff.get(f"/notices/contacts/sheet?region={DANLENG}").get_data(as_text=True)
    svg = page[page.index("<svg") : page.index("</svg>")]
    assert "<path" in svg and "style" not in svg and "script" not in svg
    assert "viewBox" in svg and "width=" not in svg, "the code is as large as the paper allows"
    assert f"/notices/join?region={DANLENG}" in page


def test_programs_of_staff_do_the_same_and_get_masked_numbers(staff: Browser, phones: Phones) -> None:
    token = {"X-CSRFToken": staff.csrf_token()}
    made = staff.post("/api/v1/notices/contacts", json=FORM, headers=token)
    assert made.status_code == 201 and made.get_json()["phone"] == "138****0001"
    listed = staff.get("/api/v1/notices/contacts?state=active").get_json()
    assert [c["id"] for c in listed["items"]] == [made.get_json()["id"]] and number(1) not in str(listed)
    gone = staff.post(f"/api/v1/notices/contacts/{made.get_json()['id']}/withdraw", headers=token)
    assert gone.get_json()["state"] == "withdrawn" and gone.get_json()["phone"] == "—"
    wrongs: tuple[Any, ...] = ({**FORM, "phone": "1"}, {**FORM, "consented_on": "x"}, {"phone": ["x"]}, [])
    for wrong in wrongs:
        assert staff.post("/api/v1/notices/contacts", json=wrong, headers=token).status_code == 422
    assert (
        staff.post("/api/v1/notices/contacts", json={**FORM, "region": JIANYANG}, headers=token).status_code
        == 403
    )


def test_the_commands_list_add_export_and_forget(phones: Phones, tmp_path: Path) -> None:
    added = keyun(phones, "add", number(1), "--region", DONGPO, "--on", "2026-01-02", "--evidence", "登记表")
    assert added.exit_code == 0 and "138****0001" in added.output and number(1) not in added.output
    listed = json.loads(keyun(phones, "list", "--json").stdout)
    assert [c["phone"] for c in listed["items"]] == ["138****0001"]
    file = tmp_path / "mine.json"
    file.touch()
    file.chmod(0o644)
    assert keyun(phones, "export", number(1), str(file)).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8"))["phone"] == f"+86{number(1)}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keyun(phones, "withdraw", listed["items"][0]["id"]).output == "withdrawn\n"
    assert keyun(phones, "forget", number(1)).exit_code == 0
    again = keyun(phones, "forget", number(1))
    assert again.exit_code == 1 and "没有登记这个号码" in again.output
    assert (
        keyun(phones, "add", "12", "--region", DONGPO, "--on", "2026-01-02", "--evidence", "登记表").exit_code
        == 1
    )
    assert phones.all() == []


def write_csv(file: Path, *rows: tuple[str, ...]) -> Path:
    """A file of contacts."""
    with file.open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("手机号", "地区", "同意日期", "同意凭据"), *rows])
    return file


def test_a_file_brings_contacts_with_their_consent_and_names_bad_rows(phones: Phones, tmp_path: Path) -> None:
    file = write_csv(
        tmp_path / "contacts.csv",
        (number(1), DONGPO, "2026-01-02", "登记表第 1 页"),
        (f"+86 {number(2)}", DANLENG, "2026-01-02", "登记表第 2 页"),
        (number(1), DONGPO, "2026-01-02", "登记表第 3 页"),
        (number(3), DONGPO, "", "登记表第 4 页"),
        (number(4), DONGPO, "2026-01-02", ""),
        (number(5), "999999", "2026-01-02", "登记表第 6 页"),
        ("12", DONGPO, "2026-01-02", "登记表第 7 页"),
    )
    report = run(phones.site, phones.site.importers["contacts"], file, system())
    assert (report.read, report.created, report.failed) == (7, 2, 5)
    assert phones.active() == {number(1), number(2)}
    report = run(phones.site, phones.site.importers["contacts"], file, system())
    assert (report.created, report.changed, report.failed) == (0, 2, 5)


def test_a_file_does_not_bring_back_who_withdrew(phones: Phones, tmp_path: Path) -> None:
    phones.join(1)
    phones.sms(1, "退订")
    file = write_csv(tmp_path / "contacts.csv", (number(1), DONGPO, "2026-01-02", "登记表第 1 页"))
    report = run(phones.site, phones.site.importers["contacts"], file, system())
    assert (report.created, report.changed, report.failed) == (0, 0, 1)
    assert phones.active() == set()


def test_numbers_leave_in_a_file_only_with_a_permission_of_its_own(phones: Phones, tmp_path: Path) -> None:
    phones.join(1, region=DONGPO)
    phones.join(2, region=JIANYANG)
    phones.join(3)
    phones.sms(3, "退订")
    push, exporter = phones.push, phones.site.exporters["contacts"]
    push.person("staff", roles=[("staff", MEISHAN)])
    push.person("admin", roles=[("admin", MEISHAN)])
    assert exporter.personal == ("phone",)

    def rows(login: str) -> list[dict[str, Any]]:
        with phones.site.reading() as unit:
            actor = actor_for(unit.session.get_one(User, push.people[login]))
            return [dict(r) for r in exporter.read(actor, unit)]

    with pytest.raises(Forbidden):
        rows("staff")
    assert [r["phone"] for r in rows("admin")] == [f"+86{number(1)}"]
    file = tmp_path / "out.csv"
    assert write(phones.site, exporter, file, system()) == 2
    report = run(phones.site, phones.site.importers["contacts"], file, system())
    assert (report.created, report.changed, report.failed) == (0, 2, 0), (
        "what was exported can be imported again"
    )


def test_exporting_a_member_of_staff_hands_out_no_evidence_about_others(phones: Phones) -> None:
    from keyun.accounts.personal import erase, export
    from keyun_notices.contacts import services

    push = phones.push
    push.person("staff", roles=[("staff", MEISHAN)])
    with phones.site.writing() as unit:
        services.record_consent(push.actor("staff"), unit, FORM)
    with phones.site.reading() as unit:
        user = unit.session.get_one(User, push.people["staff"])
        assert "登记表" not in str(export(system(), unit, user)) and number(1) not in str(
            export(system(), unit, user)
        )
    with phones.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, push.people["staff"]))
    with phones.site.reading() as unit:
        consent = services.history(system(), unit, phones.of(1))[0]
        assert (consent.recorded_by, consent.evidence) == (None, "登记表第 1 页")


def test_an_account_takes_its_contact_along_and_out(phones: Phones) -> None:
    from keyun.accounts.personal import erase, export

    phones.join(1, 2)
    phones.push.publish("n1", contacts=True)
    phones.push.person("an", phone=number(1))
    phones.push.person("bo", phone="not a number")
    with phones.site.reading() as unit:
        found = export(system(), unit, unit.session.get_one(User, phones.push.people["an"]))
        none = export(system(), unit, unit.session.get_one(User, phones.push.people["bo"]))
    assert json.loads(json.dumps(found["notices_contact"]))[0]["phone"] == f"+86{number(1)}"
    assert "notices_contact" not in none
    for login in ("an", "bo"):
        with phones.site.writing() as unit:
            erase(system(), unit, unit.session.get_one(User, phones.push.people[login]))
    assert phones.active() == {number(2)} and len(phones.all()) == 1
    assert phones.reached("n1") == {number(2)}
