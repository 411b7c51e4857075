"""Fields that one plugin adds to another one's content, at every door: page, API, file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from keyun.access import system
from keyun.content import Content, Revision, change, create, merged
from keyun.content.fields import MAX_VALUE, asked, conditions, forget, values
from keyun.errors import Conflict, Invalid
from keyun.exchange import run
from keyun.exchange.exporting import write
from keyun.plugins import state
from keyun.site import Site
from keyun.testing import Browser, browse, make_user

from .conftest import FORM

MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
WritePlugin = Callable[..., Path]
ARTICLE = "popsci.article"

pytestmark = pytest.mark.usefixtures("mark")


@pytest.fixture
def site(make_site: MakeSite, mark: Path) -> Site:
    return make_site("popsci", "mark")


def editor(site: Site, make_app: MakeApp) -> Browser:
    with site.writing() as unit:
        user = make_user(unit, "editor", level=0, roles=[("editor", "510000")])
    client = browse(make_app(site=site))
    client.log_in(user)
    return client


def written(site: Site, **data: Any) -> Content:
    """A draft with ``data`` beside the form."""
    with site.writing() as unit:
        return create(system(), unit, site.content_type(ARTICLE), {**FORM, **data})


def extra(site: Site, title: str = str(FORM["title"])) -> dict[str, Any]:
    """What is stored beside the columns of the article."""
    with site.reading() as unit:
        found: dict[str, Any] = unit.session.scalars(
            sa.select(Content.extra).where(Content.title == title)
        ).one()
        return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def file(path: Path, *lines: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines), encoding="utf-8")
    return path


def opened(make_site: MakeSite, site: Site, *plugins: str) -> Site:
    """The same instance with another set of plugins."""
    state.save(site.runtime.config.state_file, plugins)
    return make_site(instance=site.runtime.instance)


def test_an_added_field_is_written_in_the_form_and_read_on_list_page_and_api(
    site: Site, make_app: MakeApp
) -> None:
    client = editor(site, make_app)
    form = client.get("/popsci/new").get_data(as_text=True)
    assert '<option value="none" selected>无</option>' in form and "用逗号分开" in form
    data = {
        **FORM,
        "mark.level": "gold",
        "mark.pages": "12",
        "mark.tags": "柑橘，果树",
        "mark.checked": "true",
    }
    answer = client.submit("/popsci/new", {**data, "mark.until": "2027-06-01", "publish": "1"})
    assert answer.status_code == 303
    assert extra(site)["mark"] == {
        "level": "gold", "pages": 12, "tags": ["柑橘", "果树"], "checked": True, "until": "2027-06-01"
    }  # fmt: skip
    visitor = browse(make_app(site=site))
    page = visitor.get(answer.location).get_data(as_text=True)
    assert "<dt>标识等级</dt><dd>金级</dd>" in page and "<dt>页数</dt><dd>12</dd>" in page
    assert "<dt>Mark level</dt><dd>gold</dd>" in visitor.get(f"{answer.location}?lang=en").get_data(
        as_text=True
    )
    listed = visitor.get("/popsci/?lang=zh").get_data(as_text=True)
    assert "标识等级：金级" in listed and "页数" not in listed
    item = visitor.get("/api/v1/popsci/articles").get_json()["items"][0]
    assert item["extensions"] == {
        "mark.level": "gold", "mark.checked": True, "mark.until": "2027-06-01", "mark.tags": ["柑橘", "果树"]
    }  # fmt: skip
    again = client.get(f"{answer.location}/edit").get_data(as_text=True)
    assert '<option value="gold" selected>金级</option>' in again and 'value="柑橘，果树"' in again


def test_an_item_from_before_the_plugin_has_the_default(
    make_site: MakeSite, make_app: MakeApp, mark: Path
) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "publish": "1"}).location
    app = make_app(site=opened(make_site, site, "popsci", "mark"))
    assert "<dt>标识等级</dt><dd>无</dd>" in browse(app).get(place).get_data(as_text=True)
    assert (
        browse(app).get("/api/v1/popsci/articles").get_json()["items"][0]["extensions"]["mark.level"]
        == "none"
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("level", "platinum", "只能是 none, gold 之一"),
        ("pages", "0", "须在 1 至 999 之间"),
        ("pages", "many", "请填写整数"),
        ("until", "soon", "请填写日期"),
        ("tags", "，".join(str(i) for i in range(13)), "最多 12 个关键词"),
        ("tags", "长" * 41, "最多 12 个关键词"),
    ],
)
def test_a_wrong_value_is_told_at_its_field_and_nothing_is_lost(
    site: Site, make_app: MakeApp, field: str, value: str, words: str
) -> None:
    client = editor(site, make_app)
    answer = client.submit("/popsci/new", {**FORM, f"mark.{field}": value})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f'id="mark.{field}-error"' in page and words in page
    assert "斑驳黄化" in page and (value in page or field == "level")


def test_a_blank_takes_a_value_back(site: Site) -> None:
    item = written(site, **{"mark.pages": "12"})
    with site.writing() as unit:
        item = unit.session.get_one(Content, item.id)
        change(system(), unit, item, {"mark.pages": ""})
    assert extra(site)["mark"] == {"pages": None}


def test_a_blank_where_there_is_a_default_makes_the_default_count_again(site: Site) -> None:
    item = written(site, **{"mark.level": "gold"})
    with site.writing() as unit:
        item = unit.session.get_one(Content, item.id)
        change(system(), unit, item, {"mark.level": ""})
        kind = site.content_type(ARTICLE)
        assert values(kind, item)["mark.level"] == "none"
        wanted = asked(kind, {"mark.level": "none"})
        found = unit.session.scalars(sa.select(Content.id).where(*conditions(kind, wanted))).all()
        assert found == [item.id]


def test_a_change_of_an_added_field_is_a_version_and_a_conflict_is_noticed(site: Site) -> None:
    item = written(site)
    with site.writing() as unit:
        item = unit.session.get_one(Content, item.id)
        change(system(), unit, item, {"mark.level": "gold"}, version=1)
        assert item.version == 2
    with site.writing() as unit, pytest.raises(Conflict):
        change(system(), unit, unit.session.get_one(Content, item.id), {"mark.level": "none"}, version=1)
    assert extra(site)["mark"]["level"] == "gold"


def test_a_revision_holds_added_values_under_their_keys(site: Site) -> None:
    item = written(site, **{"mark.level": "gold"})
    with site.reading() as unit:
        data = unit.session.scalars(sa.select(Revision.data).where(Revision.content_id == item.id)).one()
    assert data["mark.level"] == "gold" and data["title"] == FORM["title"]


def test_while_the_plugin_is_off_its_values_are_neither_shown_nor_touched(
    site: Site, make_site: MakeSite, make_app: MakeApp
) -> None:
    place = editor(site, make_app).submit(
        "/popsci/new", {**FORM, "mark.level": "gold", "mark.pages": "12", "publish": "1"}
    ).location  # fmt: skip
    stored = extra(site)
    off = opened(make_site, site, "popsci")
    client = browse(make_app(site=off))
    with off.reading() as unit:
        from keyun.accounts.services import find_user

        client.log_in(find_user(unit, "editor"))
    assert "标识等级" not in client.get(place).get_data(as_text=True)
    assert client.get("/api/v1/popsci/articles").get_json()["items"][0]["extensions"] == {}
    changed = {**FORM, "title": "换了标题", "version": "2", "mark.level": "none", "mark.pages": "1"}
    answer = client.submit(f"{place}/edit", changed)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    assert extra(off, "换了标题") == stored
    on = opened(make_site, site, "popsci", "mark")
    page = browse(make_app(site=on)).get(place).get_data(as_text=True)
    assert "<dt>标识等级</dt><dd>金级</dd>" in page and "换了标题" in page


ROW = {**FORM, "external_id": "a-1"}


def test_an_import_takes_added_fields_by_key_and_by_title(site: Site, tmp_path: Path) -> None:
    articles = site.importers["articles"]
    good = {**ROW, "mark.level": "gold", "mark.tags": ["柑橘"]}
    path = file(tmp_path / "a.jsonl", good, {**good, "external_id": "a-3", "mark.level": "platinum"})
    report = run(site, articles, path, system())
    assert (report.created, report.failed) == (1, 1)
    assert extra(site)["mark"] == {"level": "gold", "tags": ["柑橘"]}
    assert "标识等级: 只能是 none, gold 之一" in rows(tmp_path / "a.jsonl.errors.csv")[0]["_reasons"]
    named = {**ROW, "external_id": "a-2", "title": "第二篇文章", "标识等级": "gold", "页数": "7"}
    run(site, articles, file(tmp_path / "b.jsonl", named), system())
    assert extra(site, "第二篇文章")["mark"] == {"level": "gold", "pages": 7}


def test_a_file_without_the_columns_leaves_stored_values_alone(site: Site, tmp_path: Path) -> None:
    articles = site.importers["articles"]
    run(site, articles, file(tmp_path / "a.jsonl", {**ROW, "mark.level": "gold"}), system())
    report = run(site, articles, file(tmp_path / "b.jsonl", ROW), system())
    assert (report.created, report.changed) == (0, 0)
    run(site, articles, file(tmp_path / "c.jsonl", {**ROW, "source": "另一本书"}), system())
    assert extra(site)["mark"] == {"level": "gold"}


@pytest.mark.parametrize("ending", ["csv", "xlsx", "jsonl"])
def test_what_is_exported_is_imported_elsewhere_with_the_same_values(
    site: Site, make_site: MakeSite, tmp_path: Path, ending: str
) -> None:
    more = {"mark.level": "gold", "mark.tags": ["柑橘"], "mark.checked": True, "mark.until": "2027-06-01"}
    run(site, site.importers["articles"], file(tmp_path / "a.jsonl", {**ROW, **more}), system())
    path = tmp_path / f"out.{ending}"
    assert write(site, site.exporters["articles"], path, system()) == 1
    other = make_site("popsci", "mark")
    report = run(other, other.importers["articles"], path, system())
    assert (report.created, report.failed) == (1, 0)
    wanted = extra(site)["mark"]
    assert {k: v for k, v in extra(other)["mark"].items() if v is not None} == wanted


def test_lists_are_narrowed_down_on_page_and_api(site: Site, make_app: MakeApp, tmp_path: Path) -> None:
    path = file(
        tmp_path / "a.jsonl",
        {**ROW, "title": "金级文章", "mark.level": "gold", "mark.checked": True},
        {**ROW, "external_id": "a-2", "title": "从未标识"},
        {**ROW, "external_id": "a-3", "title": "标识为无", "mark.level": "none", "mark.checked": False},
    )
    run(site, site.importers["articles"], path, system())
    client = browse(make_app(site=site))
    page = client.get("/popsci/?mark.level=gold").get_data(as_text=True)
    assert "金级文章" in page and "从未标识" not in page
    assert '<option value="gold" selected>金级</option>' in page

    def titles(query: str) -> set[str]:
        return {i["title"] for i in client.get(f"/api/v1/popsci/articles?{query}").get_json()["items"]}

    assert titles("mark.level=gold") == {"金级文章"}
    assert titles("mark.level=none") == {"从未标识", "标识为无"}
    assert titles("mark.checked=true") == {"金级文章"}
    assert titles("mark.checked=false") == {"标识为无"}
    assert titles("mark.level=none&mark.checked=false") == {"标识为无"}
    wrong = client.get("/api/v1/popsci/articles?mark.level=platinum")
    assert wrong.status_code == 422 and "mark.level" in wrong.get_data(as_text=True)
    assert "从未标识" in client.get("/popsci/?mark.level=platinum").get_data(as_text=True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_description_of_the_api_has_types_choices_and_filters(site: Site, make_app: MakeApp) -> None:
    client = browse(make_app(site=site))
    spec = client.get("/api/v1/openapi.json").get_json()
    added = spec["components"]["schemas"]["Extensions"]["properties"]
    assert added["mark.level"]["enum"] == ["none", "gold"]
    assert added["mark.level"]["description"] == "标识等级 / Mark level (popsci.article)"
    assert set(added) == {"mark.level", "mark.checked", "mark.until", "mark.tags"}
    item = spec["components"]["schemas"]["PopsciArticleItem"]["properties"]["extensions"]
    assert item["$ref"] == "#/components/schemas/Extensions"
    parameters = {p["name"]: p for p in spec["paths"]["/api/v1/popsci/articles"]["get"]["parameters"]}
    assert parameters["mark.level"]["schema"] == {"type": "string", "enum": ["none", "gold"]}
    assert parameters["mark.checked"]["schema"] == {"type": "boolean"}
    assert "x-keyun" not in json.dumps(spec)
    assert "mark.level" in client.get("/api/v1/docs").get_data(as_text=True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_screening_sees_added_values(make_site: MakeSite, write_plugin: WritePlugin, tmp_path: Path) -> None:
    code = """
        from keyun.content import Verdict
        from keyun.plugins import Plugin, hookimpl

        class P(Plugin):
            @hookimpl
            def keyun_content_screen(self, actor, draft):
                return Verdict.refuse("不收金级") if draft.values["mark.level"] == "gold" else None
    """
    write_plugin("strict", code)
    site = make_site("popsci", "mark", "strict")
    path = file(tmp_path / "a.jsonl", {**ROW, "mark.level": "gold"}, {**ROW, "external_id": "a-2"})
    report = run(site, site.importers["articles"], path, system())
    assert (report.created, report.failed) == (1, 1)
    from keyun.content import publish

    with site.writing() as unit, pytest.raises(Invalid, match="不收金级"):
        item = create(system(), unit, site.content_type(ARTICLE), {**FORM, "mark.level": "gold"})
        publish(system(), unit, item)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_one_value_is_bounded_however_it_is_declared(make_site: MakeSite, write_plugin: WritePlugin) -> None:
    code = """
        from marshmallow import fields
        from keyun.content import ContentField
        from keyun.plugins import Plugin, hookimpl

        class P(Plugin):
            @hookimpl
            def keyun_content_fields(self):
                yield ContentField("popsci.article", "note", fields.String(), "备注", "Note")
    """
    write_plugin("long", code, 'after = ["popsci"]')
    site = make_site("popsci", "long")
    with pytest.raises(Invalid) as refused:
        written(site, **{"long.note": "字" * MAX_VALUE})
    assert "long.note" in refused.value.fields
    written(site, **{"long.note": "字" * (MAX_VALUE - 2)})


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_required_field_is_asked_for_and_a_file_without_its_column_is_refused(
    make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    code = """
        from marshmallow import fields, validate
        from keyun.content import ContentField
        from keyun.plugins import Plugin, hookimpl

        class P(Plugin):
            @hookimpl
            def keyun_content_fields(self):
                field = fields.String(required=True, validate=validate.Length(1, 20))
                yield ContentField("popsci.article", "code", field, "登记号", "Registration")
    """
    write_plugin("registry", code, 'requires = ["popsci"]')
    site = make_site("popsci", "registry")
    client = editor(site, make_app)
    assert 'name="registry.code"' in client.get("/popsci/new").get_data(as_text=True)
    refused = client.submit("/popsci/new", {**FORM, "registry.code": " "})
    assert refused.status_code == 422 and 'id="registry.code-error"' in refused.get_data(as_text=True)
    path = tmp_path / "a.csv"
    path.write_text("external_id,title,body,category,region\na-1,标题,正文,health,511402\n", encoding="utf-8")
    with pytest.raises(Invalid, match=r"registry\.code"):
        run(site, site.importers["articles"], path, system())
    assert client.submit("/popsci/new", {**FORM, "registry.code": "R-1"}).status_code == 303
    assert extra(site) == {"registry": {"code": "R-1"}}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_two_plugins_with_the_same_names_do_not_meet(
    make_site: MakeSite, write_plugin: WritePlugin, mark: Path, tmp_path: Path
) -> None:
    other = (mark / "plugin.py").read_text(encoding="utf-8")
    write_plugin("seal", other, 'requires = ["popsci"]')
    site = make_site("popsci", "mark", "seal")
    path = file(tmp_path / "a.jsonl", {**ROW, "标识等级": "gold", "seal.level": "none"})
    assert run(site, site.importers["articles"], path, system()).created == 1
    assert extra(site) == {"mark": {"level": "gold"}, "seal": {"level": "none"}}


FAULTS = [
    ('"popsci.poem", "level", fields.String()', "popsci has no content type popsci.poem"),
    ('"marketplace.offer", "level", fields.String()', "name marketplace in `requires` or `after`"),
    ('"popsci.article", "Level", fields.String()', "call it something else"),
    ('"popsci.article", "items", fields.String()', "call it something else"),
    ('"popsci.article", "level", str', "no field whose values JSON can hold"),
    ('"popsci.article", "level", fields.UUID()', "no field whose values JSON can hold"),
    ('"popsci.article", "level", fields.Date()', "no field whose values JSON can hold"),
    ('"popsci.article", "level", fields.Nested(dict)', "no field whose values JSON can hold"),
]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("arguments", "words"), FAULTS)
def test_a_bad_declaration_makes_its_plugin_faulted_and_the_rest_serves(
    make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin, arguments: str, words: str
) -> None:
    assert words in faults_of(make_site, make_app, write_plugin, f"ContentField({arguments}, '名', 'name')")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("ContentField(A, 'n', fields.Integer(), '名', 'n', filter=True)", "only choices and yes and no"),
        ("ContentField(A, 'n', fields.Integer(), '名', 'n', choices=(1,))", "choices are texts"),
        ("ContentField(A, 'n', fields.String(), '名', 'n', places={'roof'})", "unknown places ['roof']"),
        ("1 / 0", "ZeroDivisionError"),
        ("'level'", "ContentField"),
        (
            "ContentField(A, 'n', fields.String(), '名', 'n');"
            " yield ContentField(A, 'n', fields.String(), '名', 'n')",
            "declared twice",
        ),
    ],
)
def test_other_bad_declarations_are_named_too(
    make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin, declaration: str, words: str
) -> None:
    assert words in faults_of(make_site, make_app, write_plugin, declaration)


def faults_of(make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin, declaration: str) -> str:
    """What a plugin with ``declaration`` is faulted for, while popsci serves."""
    code = f"""
        from marshmallow import fields
        from keyun.content import ContentField
        from keyun.plugins import Plugin, hookimpl

        A = "popsci.article"

        class P(Plugin):
            @hookimpl
            def keyun_content_fields(self):
                yield {declaration}
    """
    write_plugin("broken", code, 'after = ["popsci"]')
    site = make_site("popsci", "broken")
    assert list(site.plugins.plugins) == ["popsci"]
    assert browse(make_app(site=site)).get("/popsci/").status_code == 200
    return " ".join(site.plugins.faults["broken"])


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_field_for_a_plugin_that_is_off_is_passed_over(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    code = """
        from marshmallow import fields
        from keyun.content import ContentField
        from keyun.plugins import Plugin, hookimpl

        class P(Plugin):
            @hookimpl
            def keyun_content_fields(self):
                yield ContentField("popsci.article", "level", fields.String(), "等级", "Level")
    """
    write_plugin("friendly", code, 'after = ["popsci"]')
    assert make_site("friendly").plugins.faults == {}
    with_both = make_site("popsci", "friendly")
    assert [f.key for f in with_both.content_type(ARTICLE).fields] == ["friendly.level"]


def test_a_purged_plugin_leaves_no_value_behind(site: Site) -> None:
    written(site, **{"mark.level": "gold"})
    with site.writing() as unit:
        unit.session.execute(sa.update(Content).values(extra={"mark": {"level": "gold"}, "seal": {"n": 1}}))
        assert forget(unit.session, "mark") == 1
        assert forget(unit.session, "mark") == 0
    assert extra(site) == {"seal": {"n": 1}}


EXTRA = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.dictionaries(st.sampled_from(["x", "y"]), st.integers())
)


@hypothesis_given(EXTRA, EXTRA)
def test_new_values_replace_exactly_their_own(stored: dict[str, Any], new: dict[str, Any]) -> None:
    found = merged(stored, new)
    for slot in {*stored, *new}:
        assert found[slot] == {**stored.get(slot, {}), **new.get(slot, {})}
    assert set(found) == {*stored, *new}
