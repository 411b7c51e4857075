"""Popsci is replaced over a site with data, and comes back: no item is lost and none is doubled.

Every step is a fresh process, as on a server: which class an item has belongs to the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyun.testing import MakeInstance

#: What a visitor, and a program, see of the articles.
VISIT = """
import json, sys
from pathlib import Path
from keyun.app import create_app
from keyun.jobs import Worker
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing import browse

runtime = Runtime.open(Path(sys.argv[1]))
site = Site.open(runtime)
assert not site.plugins.faults, site.plugins.faults
worker = Worker(site)
worker.schedule()
worker.drain()
browser = browse(create_app(site))
seen, after = {}, None
while True:
    page = browser.get("/api/v1/popsci/articles?limit=7" + (f"&after={after}" if after else "")).get_json()
    for item in page["items"]:
        one = browser.get(f"/api/v1/popsci/articles/{item['id']}").get_json()
        names = ("title", "body", "level", "category", "source", "published_at")
        seen[item["id"]] = {n: one.get(n) for n in names}
        shown = browser.get(f"/popsci/{item['id']}")
        assert shown.status_code == 200 and one["title"] in shown.get_data(as_text=True), item
    after = page["next"]
    if after is None:
        break
listed = browser.get("/popsci/").get_data(as_text=True)
found = browser.get("/search?q=\\u661f\\u7a7a").get_data(as_text=True)
lists = {"listed": [i for i in seen if i in listed], "found": [i for i in seen if i in found]}
print(json.dumps({"seen": seen, **lists}))
runtime.close()
"""
#: What an editor does: python -c EDIT INSTANCE '[["new", {...}], ["edit", ID, {...}], ["withdraw", ID]]'
EDIT = """
import json, sys
from pathlib import Path
import sqlalchemy as sa
from keyun.accounts import User
from keyun.app import create_app
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing import browse, make_user

runtime = Runtime.open(Path(sys.argv[1]))
site = Site.open(runtime)
with site.writing() as unit:
    user = unit.session.scalars(sa.select(User).where(User.login == "editor")).first() or make_user(
        unit, "editor", roles=[("editor", "510000")]
    )
browser = browse(create_app(site))
browser.log_in(user)
for what, *rest in json.loads(sys.argv[2]):
    if what == "new":
        answer = browser.submit("/popsci/new", rest[0])
    elif what == "edit":
        answer = browser.submit(f"/popsci/{rest[0]}/edit", rest[1])
    else:
        answer = browser.submit(f"/popsci/{rest[0]}/withdraw")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    if what != "withdraw":
        print(answer.location.rpartition("/")[2])
runtime.close()
"""
COUNT = """
import json, sys
from pathlib import Path
import sqlalchemy as sa
from keyun.runtime import Runtime
runtime = Runtime.open(Path(sys.argv[1]))
with runtime.engine.connect() as c:
    rows = c.execute(sa.text("SELECT public_id, type, state FROM core_content ORDER BY id")).all()
print(json.dumps([list(r) for r in rows]))
runtime.close()
"""
ARTICLE = {
    "title": "星空",
    "body": "抬头看。",
    "category": "nature",
    "source": "天文台手册",
    "voucher": "示范学会",
    "region": "511402",
}


class Story:
    """One site, and what is done to it from outside."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance

    def python(self, code: str, *arguments: str) -> Any:
        return self._run(["-c", code, str(self.instance), *arguments])

    def keyun(self, *words: str) -> str:
        return self._run(["-m", "keyun", "--instance", str(self.instance), *words])

    def _run(self, arguments: list[str]) -> str:
        env = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        done = subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{arguments[-4:]}: {done.stdout}{done.stderr}"
        return done.stdout

    def visit(self) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self.python(VISIT))
        return seen

    def edit(self, *changes: list[Any]) -> list[str]:
        return self.python(EDIT, json.dumps(changes)).split()

    def items(self) -> list[list[str]]:
        rows: list[list[str]] = json.loads(self.python(COUNT))
        return rows

    def swap(self, into: str) -> None:
        """Let ``into`` serve instead: the old plugin taken out of the file by hand, the new one enabled."""
        (self.instance / "plugins.toml").write_text("enabled = []\n", encoding="utf-8")
        self.keyun("plugins", "enable", into)


@pytest.fixture
def story(make_instance: MakeInstance, tmp_path: Path) -> Story:
    """A site with popsci and 20 public articles, a withdrawn one and a draft."""
    story = Story(make_instance("popsci"))
    (story.instance / "secret.key").chmod(0o600)
    rows = [{**ARTICLE, "external_id": f"a-{i}", "title": f"星空 {i}"} for i in range(21)]
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    story.keyun("import", "articles", str(path))
    first = next(iter(story.visit()["seen"]))
    story.edit(["withdraw", first], ["new", ARTICLE | {"title": "草稿"}])
    return story


def test_popsci_is_replaced_and_comes_back_with_every_item(story: Story) -> None:
    items, before = story.items(), story.visit()
    assert len(before["seen"]) == 20 and len(items) == 22
    old, other, *_ = before["seen"]

    story.swap("bookshelf")
    assert story.items() == items
    shelf = story.visit()
    assert {i: v | {"level": None} for i, v in shelf["seen"].items()} == before["seen"]
    assert {v["level"] for v in shelf["seen"].values()} == {"medium"}
    assert sorted(shelf["listed"]) == sorted(before["listed"]) and shelf["found"] == before["found"]
    assert shelf["listed"] and shelf["found"]

    hard = ARTICLE | {"title": "星空新篇", "level": "hard", "category": "technology", "publish": "1"}
    new, _ = story.edit(
        ["new", hard], ["edit", old, ARTICLE | {"title": "星空改版", "source": "新手册"}], ["withdraw", other]
    )
    assert len(story.items()) == 23

    story.swap("popsci")
    back = story.visit()["seen"]
    assert len(story.items()) == 23
    assert set(back) == (set(before["seen"]) | {new}) - {other}
    assert (back[new]["title"], back[new]["category"]) == ("星空新篇", "technology")
    assert (back[old]["title"], back[old]["source"]) == ("星空改版", "新手册")
    untouched = set(back) - {new, old}
    assert {i: back[i] for i in untouched} == {i: before["seen"][i] for i in untouched}
    story.edit(["edit", new, ARTICLE | {"title": "星空新篇二", "category": "life"}])

    story.swap("bookshelf")
    again = story.visit()["seen"]
    assert set(again) == set(back)
    assert [again[new][k] for k in ("title", "level", "category")] == ["星空新篇二", "hard", "life"]
    assert len(story.items()) == 23
    story.keyun("doctor")


def test_purging_one_of_both_leaves_the_items_to_the_other(story: Story) -> None:
    before = story.visit()["seen"]
    story.swap("bookshelf")
    items = story.items()
    assert "The items stay: bookshelf" in story.keyun("plugins", "purge", "popsci", "--yes")
    assert story.items() == items and set(story.visit()["seen"]) == set(before)

    story.swap("popsci")
    assert set(story.visit()["seen"]) == set(before), "popsci got its rows back from the revisions"
    assert "The items stay: popsci" in story.keyun("plugins", "purge", "bookshelf", "--yes")
    assert story.items() == items and story.visit()["seen"] == before

    story.keyun("plugins", "disable", "popsci")
    story.keyun("plugins", "purge", "popsci", "--yes")
    assert story.items() == []
    story.keyun("doctor")
