"""``keyun notices`` for senders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli

Push = Any
NOTICE = {"key": "seeds-1", "title": "领取种子", "body": "带身份证。", "regions": ["511400"]}


def run(push: Push, *words: str, code: int = 0) -> Result:
    """The outcome of ``keyun notices …`` in the instance of the site."""
    result = CliRunner().invoke(cli, ["--instance", str(push.site.runtime.instance), "notices", *words])
    assert result.exit_code == code, result.output
    return result


def written(tmp_path: Path, **more: Any) -> str:
    """The path of a file with the notice."""
    path = tmp_path / "notice.json"
    path.write_text(json.dumps(NOTICE | more, ensure_ascii=False), encoding="utf-8")
    return str(path)


def test_a_file_is_published_once_however_often_it_is_sent(town: Push, tmp_path: Path) -> None:
    file = written(tmp_path)
    first = json.loads(run(town, "send", file, "--json").stdout)
    assert (first["state"], first["addressed"]) == ("published", 3)
    assert json.loads(run(town, "send", file, "--json").stdout)["id"] == first["id"]
    refused = run(town, "send", written(tmp_path, title="别的"), code=1)
    assert "另一条通知" in refused.output
    assert town.inbox("an") == ["seeds-1"]


def test_a_dry_run_counts_and_publishes_nothing(town: Push, tmp_path: Path) -> None:
    file = written(tmp_path, audience={"attribute": "level", "is": 3})
    said = json.loads(run(town, "send", file, "--dry-run", "--json").stdout)
    assert (said["count"], said["of"]) == (1, 6) and len(said["clauses"]) == 3
    assert "1 of 6" in run(town, "send", file, "--dry-run").stdout
    assert town.inbox("cai") == []
    nobody = run(town, "send", written(tmp_path, audience={"any": []}), "--dry-run")
    assert "注意" in nobody.stderr


def test_attachments_lie_beside_the_file(town: Push, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    run(town, "send", written(tmp_path, attachments=["a.pdf"]))
    from keyun_notices.publishing.models import Attachment

    assert town.reading(lambda u: u.session.query(Attachment).one()).name == "a.pdf"
    missing = run(town, "send", written(tmp_path, key="x", attachments=["b.pdf"]), code=1)
    assert "b.pdf" in missing.output


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "[" * 50_000, '{"key": 1}', '{"key": "a", "what": 1}', '{"key":"a","attachments":1}'],
)
def test_a_file_that_is_no_notice_is_refused_in_one_sentence(town: Push, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    refused = run(town, "send", str(path), code=1)
    assert "Traceback" not in refused.output and refused.output.startswith("keyun: ")


def test_a_notice_is_cancelled_by_its_key_or_id_and_also_before_it_arrives(
    town: Push, tmp_path: Path
) -> None:
    sent = json.loads(run(town, "send", written(tmp_path), "--json").stdout)
    note = json.loads(run(town, "cancel", sent["id"], "--body", "已结束", "--json").stdout)
    assert note["kind"] == "cancel" and note["title"] == "领取种子"
    assert town.addressed("cancel:seeds-1") == {"an", "bo", "cai"}
    run(town, "cancel", "later")
    run(town, "send", written(tmp_path, key="later"))
    assert town.notice("later").state == town.notice("seeds-1").state == "cancelled"
    assert town.inbox("an") == []


def test_what_was_sent_is_listed_and_shown(town: Push, tmp_path: Path) -> None:
    run(town, "send", written(tmp_path))
    assert "seeds-1" in run(town, "list").stdout
    assert json.loads(run(town, "list", "--json").stdout)[0]["key"] == "seeds-1"
    said = json.loads(run(town, "show", "seeds-1", "--json").stdout)
    assert said["regions"] == ["511400"] and said["audience"] == {"all": []}
    assert "没有通知" in run(town, "show", "nothing", code=1).output


def test_the_proof_names_nobody_and_fails_loudly(town: Push, tmp_path: Path) -> None:
    run(town, "send", written(tmp_path))
    out = tmp_path / "list.txt"
    said = json.loads(
        run(town, "proof", "seeds-1", "--user", "an", "--pseudonyms", str(out), "--json").stdout
    )
    assert said["intact"] and said["person"]["addressed"]
    assert said["person"]["pseudonym"] in out.read_text().split() and len(out.read_text().split()) == 3
    from keyun_notices.publishing.models import Addressed

    town.writing(lambda u: u.session.query(Addressed).delete())
    assert "封印" in run(town, "proof", "seeds-1", code=1).output
