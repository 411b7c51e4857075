"""``keyun plugins purge``: exports, asks, refuses what the contract says, may be repeated at any step."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun import config
from keyun.access import system
from keyun.accounts import actor_for
from keyun.cli import cli
from keyun.content import Content, change, create, publish, release
from keyun.db import make_engine
from keyun.files import attach, receive
from keyun.migrate import Migrator
from keyun.plugins import purge, state
from keyun.plugins.manager import Installation
from keyun.reviews.services import comment, review_of
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing import MakeInstance, make_user

WritePlugin = Callable[..., Path]
MIGRATION = """
    import sqlalchemy as sa
    from alembic import op
    revision, down_revision, branch_labels, depends_on = "0001", None, None, None
    def upgrade():
        op.create_table(
            "{name}_thing",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("content_id", sa.Integer, sa.ForeignKey("{to}", ondelete="CASCADE")),
            sa.Column("note", sa.Text), sa.Column("at", sa.DateTime(timezone=True)),
            sa.Column("raw", sa.LargeBinary), sa.Column("price", sa.Numeric(10, 2)),
            sa.Column("data", sa.JSON),
        )
    def downgrade():
        op.drop_table("{name}_thing")
"""


class Operator:
    """Somebody at the command line of one instance."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance

    def __call__(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(cli, ["--instance", str(self.instance), *words], input=typed)

    def enabled(self, *names: str) -> None:
        """Let ``names`` be the enabled plugins, their tables up to date."""
        engine = make_engine(config.load(self.instance, {}).database_url)
        migrator = Migrator(engine, Installation.scan().manifests)
        for name in names:
            if name in migrator.versions:
                migrator.upgrade(name)
        engine.dispose()
        state.save(self.instance / "plugins.toml", names)

    def purge(self, name: str, *more: str) -> Result:
        return self("plugins", "purge", name, "--yes", *more)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = make_engine(config.load(self.instance, {}).database_url)
        try:
            with engine.begin() as connection:
                found = connection.execute(sa.text(query))
                return [tuple(r) for r in found] if found.returns_rows else []
        finally:
            engine.dispose()

    def tables(self) -> set[str]:
        engine = make_engine(config.load(self.instance, {}).database_url)
        try:
            return set(sa.inspect(engine).get_table_names())
        finally:
            engine.dispose()

    def export(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """The newest export of a plugin."""
        *_, newest = sorted((self.instance / "purged").glob(f"{name}-*"))
        about = json.loads((newest / "manifest.json").read_text(encoding="utf-8"))
        files = {p.stem: p.read_text(encoding="utf-8").splitlines() for p in newest.glob("*.jsonl")}
        assert {n: len(f) for n, f in files.items()} == about["records"]
        return {n: [json.loads(line) for line in f] for n, f in files.items()}


@pytest.fixture
def operator(make_instance: MakeInstance) -> Operator:
    """An instance with articles, a draft, a job and a value at another plugin's item."""
    from keyun_marketplace.services import offer_type
    from keyun_popsci.services import article_type

    text = {
        "title": "文章", "body": "正文 “引号”\r\n=1+1", "region": "511402", "source": "手册",
        "voucher": "学会", "category": "nature",
    }  # fmt: skip
    operator = Operator(make_instance("marketplace", "popsci"))
    runtime = Runtime.open(operator.instance, {})
    site = Site.open(runtime)
    with site.writing() as unit:
        make_user(unit, "somebody")
        for i in range(3):
            item = create(system(), unit, article_type(), text | {"title": f"文章 {i}"})
            if i:
                publish(system(), unit, item)
        offer = create(system(), unit, offer_type(), {"title": "检测", "body": "检测", "region": "511402"})
        offer.extra = {"popsci": {"linked": True}, "other": {"kept": 1}}
        unit.enqueue("popsci.tidy", number=1)
        unit.enqueue("marketplace.match", need_id=1)
    runtime.close()
    return operator


def nothing_is_left(operator: Operator, name: str = "popsci") -> None:
    assert [t for t in operator.tables() if t.startswith(f"{name}_") or t == f"alembic_version_{name}"] == []
    assert operator.rows(f"SELECT id FROM core_content WHERE type LIKE '{name}.%'") == []
    assert operator.rows(f"SELECT id FROM core_job WHERE name LIKE '{name}.%'") == []
    assert (
        operator.rows(
            "SELECT content_id FROM core_revision WHERE content_id NOT IN (SELECT id FROM core_content)"
        )
        == []
    )


def test_everything_goes_after_everything_was_exported(operator: Operator) -> None:
    before = operator.rows(
        "SELECT id, public_id, state, body FROM core_content WHERE type = 'popsci.article' ORDER BY id"
    )
    events = operator.rows("SELECT count(*) FROM core_event")[0][0]
    operator.enabled("marketplace")
    done = operator.purge("popsci")
    assert done.exit_code == 0, done.output
    nothing_is_left(operator)
    dump = operator.export("popsci")
    assert [(r["id"], r["public_id"], r["state"], r["body"]) for r in dump["core_content"]] == before
    assert [r["category"] for r in dump["popsci_article"]] == ["nature"] * 3
    assert len(dump["core_revision"]) == 3 and [r["name"] for r in dump["core_job"]] == ["popsci.tidy"]
    assert [r["extra"]["popsci"] for r in dump["extra"]] == [{"linked": True}]
    (extra,) = operator.rows("SELECT extra FROM core_content WHERE type = 'marketplace.offer'")
    assert (json.loads(extra[0]) if isinstance(extra[0], str) else extra[0]) == {"other": {"kept": 1}}
    assert operator.rows("SELECT name FROM core_job WHERE name LIKE 'marketplace.%'") == [
        ("marketplace.match",)
    ]
    assert operator.rows("SELECT login FROM core_user") == [("somebody",)]
    assert operator.rows("SELECT count(*) FROM core_event")[0][0] == events + 1, "the log is only added to"
    assert {"core_content", "alembic_version_marketplace"} <= operator.tables()


def test_reviews_and_attachments_of_its_items_are_exported_too(operator: Operator) -> None:
    runtime = Runtime.open(operator.instance, {})
    site = Site.open(runtime)
    received = receive(site, io.BytesIO(b"%PDF-1.4\n%%EOF\n"), "a.pdf")
    with site.writing() as unit:
        author, reviewer = (
            actor_for(make_user(unit, login, level=2, roles=[(role, "511400")]))
            for login, role in (("author", "editor"), ("rita", "reviewer"))
        )
        of_type = sa.and_(Content.type == "popsci.article", Content.state == "draft")
        item = unit.session.scalars(sa.select(Content).where(of_type)).first()
        assert item is not None
        item.owner_id = author.user_id
        change(author, unit, item, {"category": "health"})
        attach(author, unit, item, received)
        publish(author, unit, item)
        review, _item = review_of(author, unit, item.public_id)
        comment(author, unit, review, "请尽快")
        release(reviewer, unit, item)
    runtime.close()
    operator.enabled("marketplace")
    done = operator.purge("popsci")
    assert done.exit_code == 0, done.output
    dump = operator.export("popsci")
    assert [r["state"] for r in dump["core_review"]] == ["approved"]
    assert [r["text"] for r in dump["core_review_comment"]] == ["请尽快"]
    assert [r["kind"] for r in dump["core_review_verdict"]] == ["approve"]
    assert [(r["name"], r["digest"]) for r in dump["core_attachment"]] == [("a.pdf", received.digest)]
    for table in ("core_review", "core_review_comment", "core_review_verdict", "core_attachment"):
        assert operator.rows(f"SELECT * FROM {table}") == []


def test_purging_twice_is_no_error_and_the_plugin_can_come_back_empty(operator: Operator) -> None:
    operator.enabled("marketplace")
    assert operator.purge("popsci").exit_code == 0
    again = operator.purge("popsci")
    assert again.exit_code == 0 and "nothing of popsci is left" in again.output
    operator.enabled("marketplace", "popsci")
    assert operator.rows("SELECT count(*) FROM popsci_article") == [(0,)]


def test_it_asks_for_the_name_and_a_wrong_one_removes_nothing(operator: Operator) -> None:
    operator.enabled("marketplace")
    refused = operator("plugins", "purge", "popsci", typed="popsic\n")
    assert refused.exit_code == 1 and "nothing was removed" in refused.stderr
    assert operator.rows("SELECT count(*) FROM popsci_article") == [(3,)]
    assert len(operator.export("popsci")["popsci_article"]) == 3, "the export stays"
    assert operator("plugins", "purge", "popsci", typed="popsci\n").exit_code == 0
    nothing_is_left(operator)


def test_an_enabled_plugin_is_refused_with_the_command(operator: Operator) -> None:
    refused = operator.purge("popsci")
    assert refused.exit_code == 1 and "keyun plugins disable popsci" in refused.stderr
    assert not (operator.instance / "purged").exists()


def test_the_core_and_the_unknown_are_refused(operator: Operator) -> None:
    for name, word in (("core", "not a plugin"), ("nosuch", "keyun plugins list")):
        refused = operator.purge(name)
        assert refused.exit_code == 1 and word in refused.stderr


def test_a_folder_that_cannot_be_written_removes_nothing(operator: Operator, tmp_path: Path) -> None:
    operator.enabled("marketplace")
    (tmp_path / "file").write_text("")
    refused = operator.purge("popsci", "--export-to", str(tmp_path / "file/inside"))
    assert refused.exit_code == 1 and "nothing was removed" in refused.stderr
    assert operator.rows("SELECT count(*) FROM popsci_article") == [(3,)]


STEPS = ("_forget_values", "_remove_items", "migrator", "version", "cursor")


@pytest.mark.parametrize("killed", STEPS)
def test_a_purge_that_was_killed_at_any_step_finishes_when_it_is_run_again(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    operator.enabled("marketplace")
    with monkeypatch.context() as patch:
        dies_at(patch, killed)
        with pytest.raises(Killed):
            operator.purge("popsci")
    first = operator.export("popsci")
    assert len(first["popsci_article"]) == len(first["core_content"]) == 3
    done = operator.purge("popsci")
    assert done.exit_code == 0, done.output
    nothing_is_left(operator)


class Killed(BaseException):
    """Stands for SIGKILL between two steps."""


def dies_at(patch: pytest.MonkeyPatch, step: str) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    whole = purge._write
    if step == "migrator":
        patch.setattr(Migrator, "downgrade", die)
    elif step in ("version", "cursor"):
        # The statements of one purge, in their order: jobs, items twice, version table, cursors.
        patch.setattr(purge, "_write", die_after(whole, 3 if step == "version" else 4))
    else:
        patch.setattr(purge, step, die)


def die_after(whole: Callable[..., Any], count: int) -> Callable[..., Any]:
    calls: list[int] = []

    def call(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > count:
            raise Killed
        return whole(*arguments, **more)

    return call


@pytest.fixture
def stranger(write_plugin: WritePlugin, make_instance: MakeInstance) -> Operator:
    """An instance with a plugin whose table has columns of every kind."""
    package = write_plugin("odd", manifest='files = ["odd-index"]')
    versions = package / "migrations/versions"
    versions.mkdir(parents=True)
    text = textwrap.dedent(MIGRATION).format(name="odd", to="core_content.id")
    (versions / "odd_0001_initial.py").write_text(text)
    operator = Operator(make_instance())
    engine = make_engine(config.load(operator.instance, {}).database_url)
    migrator = Migrator(engine, Installation.scan().manifests)
    migrator.upgrade("odd")
    engine.dispose()
    return operator


def test_every_column_is_exported_and_declared_folders_go(stranger: Operator) -> None:
    engine = make_engine(config.load(stranger.instance, {}).database_url)
    table = sa.Table("odd_thing", sa.MetaData(), autoload_with=engine, resolve_fks=False)
    with engine.begin() as connection:
        values = {
            "id": 1,
            "note": "=1+1\n“中文”",
            "raw": b"\x00\xff",
            "data": {"a": [1, None]},
            "price": 12.5,
        }
        connection.execute(sa.insert(table).values(values))
    engine.dispose()
    (stranger.instance / "odd-index").mkdir()
    (stranger.instance / "odd-index" / "part").write_text("x")
    refused = stranger.purge("odd", "--export-to", str(stranger.instance / "odd-index" / "out"))
    assert refused.exit_code == 1 and "is removed itself" in refused.stderr
    done = stranger.purge("odd")
    assert done.exit_code == 0, done.output
    (row,) = stranger.export("odd")["odd_thing"]
    assert row | {"price": float(row["price"])} == {
        "id": 1, "content_id": None, "note": "=1+1\n“中文”", "at": None,
        "raw": {"base64": "AP8="}, "price": 12.5, "data": {"a": [1, None]},
    }  # fmt: skip
    assert not (stranger.instance / "odd-index").exists()
    nothing_is_left(stranger, "odd")


def uninstall(package: Path) -> None:
    for path in package.parent.glob(f"{package.name}-*/entry_points.txt"):
        path.unlink()


def test_an_uninstalled_plugin_with_tables_is_refused_and_the_way_is_said(
    stranger: Operator, tmp_path: Path
) -> None:
    uninstall(tmp_path / "site/fixture_odd")
    refused = stranger.purge("odd")
    assert refused.exit_code == 1 and "pip install the version that made them" in refused.stderr
    assert "odd_thing" in stranger.tables()


def test_an_orphaned_empty_version_table_is_dropped(stranger: Operator, tmp_path: Path) -> None:
    assert stranger("db", "downgrade", "odd", "base", "--yes").exit_code == 0
    uninstall(tmp_path / "site/fixture_odd")
    assert "alembic_version_odd" in stranger.tables()
    done = stranger.purge("odd")
    assert done.exit_code == 0 and "nothing of odd is left" in done.output
    assert "alembic_version_odd" not in stranger.tables()
    assert "odd" not in stranger("plugins", "list").output


def test_items_of_a_plugin_that_is_gone_are_exported_and_removed(stranger: Operator, tmp_path: Path) -> None:
    assert stranger("db", "downgrade", "odd", "base", "--yes").exit_code == 0
    uninstall(tmp_path / "site/fixture_odd")
    runtime = Runtime.open(stranger.instance, {})
    with Site.open(runtime).writing() as unit:
        values = {"title": "旧内容", "type": "odd.note", "created_at": unit.now, "changed_at": unit.now}
        unit.session.execute(sa.insert(Content).values(values))
    runtime.close()
    assert stranger.purge("odd").exit_code == 0
    assert [r["title"] for r in stranger.export("odd")["core_content"]] == ["旧内容"]
    nothing_is_left(stranger, "odd")


def test_it_is_refused_while_an_enabled_plugin_extends_it(
    stranger: Operator, write_plugin: WritePlugin
) -> None:
    write_plugin("odder", manifest='extends = "odd"')
    stranger.enabled("odder")
    refused = stranger.purge("odd")
    assert refused.exit_code == 1 and "keyun plugins disable odder" in refused.stderr


def test_it_is_refused_while_tables_of_another_plugin_point_to_it(
    stranger: Operator, write_plugin: WritePlugin
) -> None:
    package = write_plugin("leaning", manifest='requires = ["odd"]')
    versions = package / "migrations/versions"
    versions.mkdir(parents=True)
    text = textwrap.dedent(MIGRATION).format(name="leaning", to="odd_thing.id")
    (versions / "leaning_0001_initial.py").write_text(text)
    stranger.enabled("odd", "leaning")
    stranger.enabled()
    refused = stranger.purge("odd")
    assert refused.exit_code == 1 and "keyun plugins purge leaning" in refused.stderr
    assert stranger.purge("leaning").exit_code == 0
    assert stranger.purge("odd").exit_code == 0


def test_a_plugin_of_the_same_slot_inherits_the_items(operator: Operator, write_plugin: WritePlugin) -> None:
    package = write_plugin("shelf", manifest='replaces = "popsci"')
    versions = package / "migrations/versions"
    versions.mkdir(parents=True)
    text = textwrap.dedent(MIGRATION).format(name="shelf", to="core_content.id")
    (versions / "shelf_0001_initial.py").write_text(text)
    operator.enabled("marketplace")
    operator.enabled("marketplace", "shelf")
    done = operator.purge("popsci")
    assert "The items stay: shelf can serve popsci." in done.output
    assert operator.rows("SELECT count(*) FROM core_content WHERE type = 'popsci.article'") == [(3,)]
    assert operator.rows("SELECT count(*) FROM core_job WHERE name = 'popsci.tidy'") == [(1,)]
    operator.enabled("marketplace")
    assert operator.purge("shelf").exit_code == 0
    assert operator.rows("SELECT count(*) FROM core_content WHERE type = 'popsci.article'") == [(0,)]


def test_the_search_forgets_what_was_purged(operator: Operator) -> None:
    assert operator("index", "rebuild").exit_code == 0
    operator.enabled("marketplace")
    operator.purge("popsci")
    operator.enabled("marketplace", "popsci")
    answer = operator("index", "verify", "--json")
    assert json.loads(answer.stdout)["damaged"] is False
