"""What other plugins may change in the marketplace: fields, what they count, scores, the matcher."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from keyun.access import system
from keyun.accounts import actor_for
from keyun.cli import cli
from keyun.exchange import run
from keyun.exchange.exporting import write
from keyun.site import Site
from keyun.testing import Browser, browse
from keyun_marketplace import matchmaking, scoring
from keyun_marketplace.matchmaking import Matched

from .conftest import Market

WritePlugin = Callable[..., Path]
MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
SENTENCE = "柑橘园黄龙病和木虱怎么防控"
SEAL = """
    from marshmallow import fields
    from keyun.content import Choice, ContentField
    from keyun.plugins import Plugin, hookimpl
    from keyun_marketplace.scoring import Bonus

    LEVELS = (Choice("none", "无", "none"), Choice("gold", "金级", "gold"))

    class P(Plugin):
        @hookimpl
        def keyun_content_fields(self):
            yield ContentField("marketplace.offer", "level", fields.String(load_default="none"), "绿色标识",
                               "Green mark", choices=LEVELS, filter=True)

        @hookimpl
        def keyun_marketplace_bonuses(self):
            return [Bonus("seal.level", {"gold": 9.0})]
"""
FORM = {"title": "柑橘木虱防控", "body": "无人机防控木虱", "region": "511402", "discipline": "植物保护"}


@pytest.fixture
def sealed(make_site: MakeSite, write_plugin: WritePlugin) -> Market:
    """A marketplace whose offers have a mark; two of them fit the sentence, the marked one less."""
    write_plugin("seal", SEAL, 'requires = ["marketplace"]')
    market = Market(make_site("marketplace", "seal"))
    expert = actor_for(market.user("expert"))
    market.offer(expert, "柑橘黄龙病检测和木虱防控", "黄龙病检测，木虱防控", keywords="黄龙病，木虱")
    market.offer(expert, "木虱防控", "果园木虱防控", **{"seal.level": "gold"})
    return market


def matched(site: Site, text: str = SENTENCE) -> Matched:
    with site.reading() as unit:
        return matchmaking.match_text(system(), unit, text, None)


def logged_in(market: Market, make_app: MakeApp, login: str = "expert") -> Browser:
    client = browse(make_app(site=market.site))
    client.log_in(market.user(login) if login != "expert" else find(market, login))
    return client


def find(market: Market, login: str) -> Any:
    from keyun.accounts.services import find_user

    with market.site.reading() as unit:
        return find_user(unit, login)


def test_an_added_field_is_seen_in_form_list_page_and_api(sealed: Market, make_app: MakeApp) -> None:
    client = logged_in(sealed, make_app)
    assert 'name="seal.level"' in client.get("/marketplace/offers/new").get_data(as_text=True)
    answer = client.submit("/marketplace/offers/new", {**FORM, "seal.level": "gold", "publish": "1"})
    assert answer.status_code == 303
    assert "<dt>绿色标识</dt><dd>金级</dd>" in client.get(answer.location).get_data(as_text=True)
    narrowed = client.get("/marketplace/offers?seal.level=gold").get_data(as_text=True)
    assert FORM["title"] in narrowed and "绿色标识：金级" in narrowed
    assert "柑橘黄龙病检测" not in narrowed and '<option value="gold" selected>' in narrowed
    items = client.get("/api/v1/marketplace/offers?seal.level=gold").get_json()["items"]
    assert [i["extensions"] for i in items] == [{"seal.level": "gold"}] * 2
    wrong = client.submit("/marketplace/offers/new", {**FORM, "seal.level": "lead"})
    assert wrong.status_code == 422 and 'id="seal.level-error"' in wrong.get_data(as_text=True)


def test_words_and_an_added_field_narrow_a_list_down_together(sealed: Market, make_app: MakeApp) -> None:
    instance = str(sealed.site.runtime.instance)
    answer = CliRunner().invoke(cli, ["--instance", instance, "index", "rebuild"])
    assert answer.exit_code == 0, answer.output
    client = browse(make_app(site=sealed.site))
    both = client.get("/marketplace/offers?q=木虱").get_data(as_text=True)
    assert "柑橘黄龙病检测" in both and ">木虱防控</a>" in both
    marked = client.get("/marketplace/offers?q=木虱&seal.level=gold").get_data(as_text=True)
    assert "柑橘黄龙病检测" not in marked and ">木虱防控</a>" in marked


def test_the_pages_of_a_narrowed_list_keep_the_filter(sealed: Market, make_app: MakeApp) -> None:
    expert = sealed.actor("expert")
    for number in range(21):
        sealed.offer(expert, f"带标识的服务{number}", "服务", **{"seal.level": "gold"})
    page = (
        browse(make_app(site=sealed.site)).get("/marketplace/offers?seal.level=gold").get_data(as_text=True)
    )
    assert "seal.level=gold" in page and "page=2" in page


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_added_field_goes_out_and_comes_back_in_a_file(
    sealed: Market, make_site: MakeSite, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"offers.{ending}"
    assert write(sealed.site, sealed.site.exporters["offers"], path, system()) == 2
    text = path.read_text(encoding="utf-8-sig").replace("expert", "")
    assert "seal.level" in text and "gold" in text
    again = run(sealed.site, sealed.site.importers["offers"], path, system())
    assert (again.created, again.changed, again.failed) == (0, 0, 0)


def test_an_import_adds_and_changes_values_and_leaves_others_alone(
    make_site: MakeSite, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    write_plugin("seal", SEAL, 'requires = ["marketplace"]')
    site = make_site("marketplace", "seal")
    row = {**FORM, "keywords": [], "external_id": "o-1"}

    def load(**more: Any) -> tuple[int, int, int]:
        path = tmp_path / "offers.jsonl"
        path.write_text(json.dumps({**row, **more}, ensure_ascii=False) + "\n", encoding="utf-8")
        report = run(site, site.importers["offers"], path, system())
        return report.created, report.changed, report.failed

    assert load(**{"seal.level": "gold"}) == (1, 0, 0)
    assert load(**{"seal.level": "gold"}) == (0, 0, 0)
    assert load(terms="面议") == (0, 1, 0)
    assert load() == (0, 1, 0)
    assert [f.added for f in matched(site).offers] == [{"seal.level": "gold"}]
    assert load(绿色标识="none") == (0, 1, 0)
    assert [f.added for f in matched(site).offers] == [{"seal.level": "none"}]
    assert load(**{"seal.level": "lead"}) == (0, 0, 1)


def test_an_added_value_counts_in_matching_and_the_explanation_says_so(sealed: Market) -> None:
    first, second = matched(sealed.site).offers
    assert first.title == "木虱防控"
    part = first.parts[-1]
    assert (part.name, part.why("zh"), part.why("en")) == ("added", "绿色标识：金级", "Green mark: gold")
    assert part.value == pytest.approx(9 * first.words, abs=1e-3)
    assert not [p for p in second.parts if p.name == "added"]
    for found in (first, second):
        assert sum(p.value for p in found.parts) == pytest.approx(found.score, abs=1e-3)


def test_the_reason_stands_on_the_page_the_command_line_and_the_api(
    sealed: Market, make_app: MakeApp
) -> None:
    client = browse(make_app(site=sealed.site))
    assert "绿色标识：金级" in client.get(f"/marketplace/match?text={SENTENCE}").get_data(as_text=True)
    english = client.get(f"/marketplace/match?text={SENTENCE}&lang=en").get_data(as_text=True)
    assert "Green mark: gold" in english and "绿色标识" not in english
    headers = {"X-CSRFToken": client.csrf_token()}
    answered = client.post("/api/v1/marketplace/match", json={"text": SENTENCE}, headers=headers)
    told = answered.get_json()["matches"][0]["parts"]
    assert "绿色标识：金级" in [p["why"] for p in told]
    instance = str(sealed.site.runtime.instance)
    answer = CliRunner().invoke(cli, ["--instance", instance, "marketplace", "match", "--text", SENTENCE])
    assert "绿色标识：金级" in answer.output


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_the_operator_says_how_much_a_value_counts(
    make_site: MakeSite, write_plugin: WritePlugin, share: float
) -> None:
    write_plugin("seal", SEAL, 'requires = ["marketplace"]')
    settings = {"plugin": {"marketplace": {"bonuses": {"seal": {"level": {"gold": share}}}}}}
    market = Market(make_site("marketplace", "seal", config=settings))
    market.offer(actor_for(market.user("expert")), "木虱防控", "木虱", **{"seal.level": "gold"})
    (found,) = matched(market.site).offers
    added = [p.value for p in found.parts if p.name == "added"]
    assert added == ([pytest.approx(share * found.words, abs=1e-3)] if share else [])


@pytest.mark.parametrize("share", ['"0.1"', 'float("nan")', "None"])
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_share_that_is_no_number_counts_nothing_and_is_logged(
    make_site: MakeSite, write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture, share: str
) -> None:
    write_plugin("seal", SEAL.replace('{"gold": 9.0}', f'{{"gold": {share}}}'), 'requires = ["marketplace"]')
    market = Market(make_site("marketplace", "seal"))
    market.offer(actor_for(market.user("expert")), "木虱防控", "木虱", **{"seal.level": "gold"})
    caplog.set_level(logging.ERROR)
    (found,) = matched(market.site).offers
    assert "added" not in [p.name for p in found.parts]
    assert "failed in keyun_marketplace_bonuses" in caplog.text


def scorer(body: str) -> str:
    return f"""
        from keyun.plugins import Plugin, hookimpl
        from keyun_marketplace.scoring import reason
        from dataclasses import replace

        class P(Plugin):
            @hookimpl
            def keyun_marketplace_rescore(self, query, found):
                {body}
    """


def rescored(make_site: MakeSite, write_plugin: WritePlugin, body: str, offers: int = 2) -> Matched:
    write_plugin("scorer", scorer(body), 'requires = ["marketplace"]')
    market = Market(make_site("marketplace", "scorer"))
    expert = actor_for(market.user("expert"))
    market.offer(expert, "柑橘黄龙病检测和木虱防控", "黄龙病检测，木虱防控")
    for number in range(1, offers):
        market.offer(expert, f"木虱防控{number}", "木虱")
    return matched(market.site)


def test_a_plugin_scores_candidates_anew_and_its_reasons_are_told(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    body = (
        'return [f.plus(reason(100, "新人优先", "new ones first")) if "1" in f.title else f for f in found]'
    )
    result = rescored(make_site, write_plugin, body)
    assert [f.title for f in result.offers] == ["木虱防控1", "柑橘黄龙病检测和木虱防控"]
    assert result.offers[0].parts[-1].why("en") == "new ones first"
    assert result.ranked[0] is result.offers[0]


def test_a_scorer_lifts_what_the_engine_would_not_have_shown(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    lift = 'f.plus(reason(1000, "末位", "last"))'
    body = f"return [{lift} if f is min(found, key=lambda f: f.score) else f for f in found]"
    result = rescored(make_site, write_plugin, body, offers=30)
    assert len(result.offers) == 10
    assert result.offers[0].parts[-1].why() == "末位"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no')", "failed in keyun_marketplace_rescore"),
        ("return [replace(f, score=f.score + 5) for f in found]", "parts do not add up"),
        ("return [replace(found[0], target_id=99999)]", "matches that it did not get"),
        ("return [*found, found[0]]", "matches that it did not get"),
        ("return 7", "failed in keyun_marketplace_rescore"),
        ("return [7]", "failed in keyun_marketplace_rescore"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_scorer_that_errs_changes_nothing_and_is_logged(
    make_site: MakeSite, write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture, body: str, words: str
) -> None:
    caplog.set_level(logging.ERROR)
    result = rescored(make_site, write_plugin, body)
    assert [f.title for f in result.offers] == ["柑橘黄龙病检测和木虱防控", "木虱防控1"]
    assert words in caplog.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_scorer_may_leave_candidates_to_the_next_plugin(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    assert len(rescored(make_site, write_plugin, "return None").offers) == 2


MATCHER = """
    from dataclasses import replace
    from keyun.plugins import Plugin, hookimpl
    from keyun_marketplace.scoring import Answer, reason

    class Backwards:
        def __init__(self, side, matcher):
            self.side, self.matcher = side, matcher

        def match(self, query, top):
            {first}
            answer = self.matcher.match(query, top)
            lowest = {{k: [replace(c, score={score}, parts=(reason(1.0, self.side, self.side),)) for c in v]
                      for k, v in answer.candidates.items()}}
            return replace(answer, candidates=lowest)

    class P(Plugin):
        @hookimpl
        def keyun_marketplace_matcher(self, side, matcher):
            return Backwards(side, matcher)
"""


@pytest.mark.parametrize(
    ("first", "score", "told"),
    [
        ("", "1.0", None),
        ("", "2.0", "parts do not add up"),
        ("raise ValueError", "1.0", "failed in keyun_marketplace_matcher"),
    ],
)
def test_a_plugin_takes_the_place_of_the_engine_as_long_as_it_works(
    make_site: MakeSite,
    write_plugin: WritePlugin,
    caplog: pytest.LogCaptureFixture,
    first: str,
    score: str,
    told: str | None,
) -> None:
    caplog.set_level(logging.ERROR)
    write_plugin("other", MATCHER.format(first=first, score=score), 'requires = ["marketplace"]')
    market = Market(make_site("marketplace", "other"))
    offer = market.offer(actor_for(market.user("expert")), "木虱防控", "木虱")
    need = market.need(actor_for(market.user("asker")))
    (found,) = matched(market.site).offers
    with market.site.reading() as unit:
        (wanted,) = matchmaking.match_item(system(), unit, unit.session.get_one(type(offer), offer.id)).offers
    assert wanted.target_id == need.id
    if told is None:
        assert (found.score, found.parts[0].why(), wanted.parts[0].why()) == (1.0, "offers", "needs")
    else:
        assert found.score > 2 and found.parts[0].name == "terms"
        assert told in caplog.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_without_plugins_the_engine_is_asked_for_no_more_than_is_shown(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    kinds = {"offer": 10, "person": 6}
    assert scoring.widened(make_site("marketplace"), kinds) == kinds
    write_plugin("seal", SEAL, 'requires = ["marketplace"]')
    assert scoring.widened(make_site("marketplace", "seal"), kinds) == {"offer": 50, "person": 30}


REGISTRY = """
    from marshmallow import fields, validate
    from keyun.content import ContentField
    from keyun.plugins import Plugin, hookimpl

    class P(Plugin):
        @hookimpl
        def keyun_content_fields(self):
            field = fields.String(required=True, validate=validate.Length(1, 20))
            yield ContentField("marketplace.need", "code", field, "登记号", "Registration")
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_field_that_must_be_there_stands_in_the_one_sentence_form_too(
    make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin
) -> None:
    write_plugin("registry", REGISTRY, 'requires = ["marketplace"]')
    market = Market(make_site("marketplace", "registry"))
    client = logged_in(market, make_app, "asker")
    assert 'name="registry.code"' in client.get("/marketplace/needs/new").get_data(as_text=True)
    sentence = {"text": SENTENCE, "region": "511402"}
    refused = client.submit("/marketplace/needs/new", {**sentence, "registry.code": ""})
    assert refused.status_code == 422 and 'id="registry.code-error"' in refused.get_data(as_text=True)
    posted = client.submit("/marketplace/needs/new", {**sentence, "registry.code": "R-7"})
    assert posted.status_code == 303
    assert "<dt>登记号</dt><dd>R-7</dd>" in client.get(posted.location).get_data(as_text=True)
    headers = {"X-CSRFToken": client.csrf_token()}
    api = "/api/v1/marketplace/needs"
    refused = client.post(api, json=sentence, headers=headers)
    assert refused.status_code == 422 and "registry.code" in refused.get_data(as_text=True)
    body = {**sentence, "extensions": {"registry.code": "R-8", "registry.other": 1}}
    made = client.post(api, json=body, headers=headers)
    assert made.status_code == 201 and made.get_json()["extensions"] == {"registry.code": "R-8"}
