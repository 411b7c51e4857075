"""A person gets everything that is kept about him, and can have it forgotten; both follow from the tables."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from keyun.access import system
from keyun.accounts import Organization, User, create_token, personal
from keyun.accounts.services import actor_for, find_user
from keyun.cli import cli
from keyun.content import Content
from keyun.content.services import create, publish
from keyun.db import Model
from keyun.errors import Conflict, Forbidden
from keyun.events.models import Event
from keyun.jobs import JobRow
from keyun.site import Site
from keyun.testing import browse, make_organization, make_user

MakeSite = Callable[..., Site]
WritePlugin = Callable[..., Path]
ARTICLE = {
    "title": "柑橘", "body": "正文", "category": "agriculture", "region": "511424", "source": "省农科院",
    "voucher": "编辑部",
}  # fmt: skip


def add(site: Site, login: str = "li", **more: Any) -> User:
    with site.writing() as unit:
        return make_user(unit, login, **{"name": "李不露名", "email": f"{login}@example.org", **more})


def write(site: Site, user: User, *, published: bool = True, organization: Organization | None = None) -> int:
    """An article of ``user``."""
    with site.writing() as unit:
        item = create(system(), unit, site.content_type("popsci.article"), ARTICLE)
        item.owner_id = user.id
        item.organization_id = organization.id if organization else None
        unit.session.flush()
        if published:
            publish(system(), unit, item)
        return item.id


def erase(site: Site, login: str = "li") -> None:
    with site.writing() as unit:
        personal.erase(system(), unit, find_user(unit, login))


def dump(site: Site) -> str:
    """Every value of every table."""
    found = []
    with site.runtime.engine.connect() as connection:
        for name in sa.inspect(connection).get_table_names():
            if name != "core_region":
                found += [str(r) for r in connection.exec_driver_sql(f"SELECT * FROM {name}").all()]
    return "\n".join(found)


def test_an_export_holds_the_person_and_no_secret_and_nobody_else(make_site: MakeSite) -> None:
    site = make_site("popsci")
    user, other = add(site, password="long enough", phone="13800000000"), add(site, "wang", name="王某某")
    write(site, user)
    write(site, other)
    with site.writing() as unit:
        secret = create_token(system(), unit, find_user(unit, "li"), "脚本")
    with site.reading() as unit:
        found = personal.export(system(), unit, find_user(unit, "li"))
    text = json.dumps(found, ensure_ascii=False, default=str)
    assert {"core_user", "core_content", "popsci_article", "core_token", "core_event"} <= found.keys()
    assert found["core_user"][0]["phone"] == "13800000000"
    assert len(found["core_content"]) == len(found["popsci_article"]) == 1
    for word in ("argon2", secret, "digest", "王某某", "wang"):
        assert word not in text


def test_after_erasure_no_table_holds_the_person(make_site: MakeSite) -> None:
    site = make_site("popsci")
    user = add(site, password="long enough", phone="13800000000", roles=[("reviewer", "510000")])
    with site.writing() as unit:
        create_token(actor_for(user), unit, find_user(unit, "li"), "x")
        unit.enqueue("core.message", user_id=user.id, text="李不露名")
    erase(site)
    text = dump(site)
    assert not [w for w in ("李不露名", "li@example.org", "13800000000", "'li'") if w in text]
    with site.reading() as unit:
        last = unit.session.scalars(sa.select(Event).order_by(Event.id.desc())).first()
        assert last is not None
        assert (last.name, last.subject_id, last.actor_id, last.data) == ("user.erased", user.id, None, {})
        assert unit.session.scalars(sa.select(JobRow)).all() == []


def test_drafts_go_own_texts_are_withdrawn_and_those_of_an_organization_stay(make_site: MakeSite) -> None:
    site = make_site("popsci")
    user = add(site)
    with site.writing() as unit:
        farm = make_organization(unit, "示范合作社")
    draft, own = write(site, user, published=False), write(site, user)
    shared = write(site, user, organization=farm)
    erase(site)
    with site.reading() as unit:
        left = {c.id: (c.state, c.owner_id) for c in unit.session.scalars(sa.select(Content))}
        told = unit.session.scalars(
            sa.select(Event.subject_id).where(Event.name == "content.withdrawn")
        ).all()
    assert left == {own: ("withdrawn", None), shared: ("published", None)}
    assert draft not in left
    assert told == [own]


def test_texts_of_a_plugin_that_is_off_leave_as_well(make_site: MakeSite) -> None:
    site = make_site("popsci")
    own = write(site, add(site))
    bare = Site.open(site.runtime, [])
    erase(bare)
    again = Site.open(site.runtime, ["popsci"])
    with again.reading() as unit:
        item = unit.session.get_one(Content, own)
        assert (item.state, item.owner_id) == ("withdrawn", None)


def test_the_only_administrator_cannot_leave(make_site: MakeSite) -> None:
    site = make_site()
    add(site, "admin", roles=[("admin", "100000")])
    add(site, "gone", roles=[("admin", "100000")], active=False)
    with pytest.raises(Conflict, match="only administrator"):
        erase(site, "admin")
    add(site, "second", roles=[("admin", "100000")])
    erase(site, "admin")


def test_nobody_exports_or_erases_somebody_else(make_site: MakeSite) -> None:
    site = make_site()
    user, other = add(site), add(site, "wang")
    for act in (personal.export, personal.erase):
        with pytest.raises(Forbidden), site.writing() as unit:
            act(actor_for(other), unit, unit.session.get_one(User, user.id))


BROKEN = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_export_user(self, unit, user_id):
        from keyun.accounts.personal import Export
        yield Export("files", [{"name": f"portrait of {user_id}"}])
    @hookimpl
    def keyun_erase_user(self, unit, user_id):
        raise OSError("the file store does not answer")
"""


def test_a_plugin_adds_to_the_export_and_a_failure_undoes_the_erasure(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    write_plugin("cabinet", BROKEN)
    site = make_site("cabinet")
    user = add(site)
    with site.reading() as unit:
        assert personal.export(system(), unit, find_user(unit, "li"))["files"][0]["name"].endswith(
            str(user.id)
        )
    before = dump(site)
    with pytest.raises(OSError, match="file store"):
        erase(site)
    assert dump(site) == before


def test_the_commands_write_a_private_file_and_ask_before_they_forget(
    make_instance: Callable[..., Path], tmp_path: Path, make_site: MakeSite
) -> None:
    place = make_instance()
    add(make_site(instance=place))

    def keyun(*words: str, answer: str = "") -> Any:
        return CliRunner().invoke(cli, ["--instance", str(place), "users", *words], input=answer)

    file = tmp_path / "li.json"
    assert keyun("export", "li", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["core_user"][0]["login"] == "li"
    assert keyun("erase", "li", answer="n\n").exit_code == 1
    file.write_text("what was there before " * 1000)
    file.chmod(0o644)
    assert keyun("export", "li", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "also when everybody could read the file before"
    assert json.loads(file.read_text())["core_user"]
    assert keyun("erase", "li", "--yes").exit_code == 0
    gone = keyun("erase", "li", "--yes")
    assert (gone.exit_code, "no user 'li'" in gone.output) == (1, True)


def test_a_person_downloads_his_data_and_closes_his_account(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    user = add(app.extensions["keyun"], password="long enough")
    client = browse(app)
    assert client.get("/account/data").status_code == client.get("/account/close").status_code == 303
    client.log_in(user)
    answer = client.get("/account/data")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["core_user"][0]["name"] == "李不露名"
    assert client.submit("/account/close", {"proof": "wrong"}).status_code == 422
    assert client.submit("/account/close", {"proof": "long enough"}).location == "/"
    assert "李不露名" not in client.get("/").text
    assert browse(app).submit("/login", {"login": "li", "password": "long enough"}).status_code == 403


def test_who_has_no_password_confirms_by_his_name(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    client = browse(app)
    client.log_in(add(app.extensions["keyun"]))
    assert client.submit("/account/close", {"proof": "wang"}).status_code == 422
    assert client.submit("/account/close", {"proof": "li"}).status_code == 303


def test_every_personal_column_of_keyun_is_covered() -> None:
    import keyun_marketplace.models  # noqa: F401

    assert (
        personal.uncovered(*(m.class_ for m in Model.registry.mappers if "keyun" in m.class_.__module__))
        == []
    )


def table(name: str, *columns: sa.Column[Any]) -> type[Any]:
    """A model of a plugin, in the metadata for as long as the test runs."""
    return type("Made", (), {"__table__": sa.Table(name, Model.metadata, *columns)})


def link(ondelete: str) -> sa.Column[Any]:
    return sa.Column("user_id", sa.ForeignKey("core_user.id", ondelete=ondelete), nullable=True)


@pytest.mark.parametrize(
    ("columns", "covered"),
    [
        ([sa.Column("phone", sa.String, info={"personal": "phone"})], False),
        ([sa.Column("phone", sa.String, info={"personal": "phone", "hook": True})], True),
        ([link("CASCADE"), sa.Column("born", sa.Integer, nullable=False, info={"personal": "birth"})], True),
        (
            [link("SET NULL"), sa.Column("born", sa.Integer, nullable=False, info={"personal": "birth"})],
            False,
        ),
        ([link("SET NULL"), sa.Column("born", sa.Integer, info={"personal": "birth"})], True),
        ([link("SET NULL"), sa.Column("tel", sa.String, nullable=False, info={"personal": "phone"})], True),
        (
            [
                link("SET NULL"),
                sa.Column("born", sa.Integer, nullable=False, info={"personal": "birth", "erase": 0}),
            ],
            True,
        ),
        (
            [
                sa.Column("id", sa.ForeignKey("core_content.id", ondelete="CASCADE"), primary_key=True),
                sa.Column("tel", sa.String, nullable=False, info={"personal": "phone"}),
            ],
            True,
        ),
    ],
)
def test_a_column_that_nothing_reaches_is_named(columns: list[sa.Column[Any]], covered: bool) -> None:
    keys = [] if any(c.primary_key for c in columns) else [sa.Column("id", sa.Integer, primary_key=True)]
    made = table("made_table", *keys, *columns)
    try:
        found = personal.uncovered(made)
    finally:
        Model.metadata.remove(made.__table__)
    assert [f.partition(":")[0] for f in found] == ([] if covered else [f"made_table.{columns[-1].name}"])
