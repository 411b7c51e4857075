"""The corpus generator of the benchmarks: counts, references, codes, the same bytes again."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from stdnum.cn import uscc

ROOT = Path(__file__).parents[2]
REGIONS = ROOT / "core/keyun/regions/data/regions.csv"
COUNTS = {"offers.jsonl": 60, "needs.jsonl": 60, "users.csv": 300, "organizations.csv": 40}
# Changes with the vocabulary, the sentences, the draws or the names of counties:
# then raise VERSION in generate.py, because figures measured on the old bytes no longer compare.
FILES_SHA256 = "e27489c6c142bfc4a14ad07466bc713f72b1655ef76deb30135c9ebd412d3099"


def run(
    *arguments: str | Path, cache: Path | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "random"}
    if cache:
        environment["XDG_CACHE_HOME"] = str(cache)
    command = [sys.executable, str(ROOT / "benchmarks/generate.py"), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", **options
    )


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "tiny"
    run("--scale", "tiny", "--out", folder, check=True)
    return folder


def test_a_corpus_has_exactly_the_records_of_its_scale(corpus: Path) -> None:
    assert {name: len(records(corpus, name)) for name in COUNTS} == COUNTS
    assert sum(int(user["level"]) >= 1 for user in records(corpus, "users.csv")) == 160


def test_two_runs_write_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    run("--scale", "tiny", "--out", tmp_path, check=True)
    assert contents(tmp_path) == contents(corpus)


def test_files_written_one_by_one_equal_those_written_together(corpus: Path, tmp_path: Path) -> None:
    run("--scale", "tiny", "--out", tmp_path, "--only", "needs,organizations", check=True)
    assert set(contents(tmp_path)) == {"needs.jsonl", "organizations.csv", "manifest.json"}
    run("--scale", "tiny", "--out", tmp_path, "--only", "users,offers", check=True)
    assert contents(tmp_path) == contents(corpus)


def test_the_bytes_are_those_of_this_version(corpus: Path) -> None:
    manifest = json.loads((corpus / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["generator_version"] == "1"
    digests = " ".join(manifest["files"][name]["sha256"] for name in COUNTS)
    assert hashlib.sha256(digests.encode()).hexdigest() == FILES_SHA256


def test_external_ids_are_unique_and_references_resolve(corpus: Path) -> None:
    ids = {name: [record["external_id"] for record in records(corpus, name)] for name in COUNTS}
    assert all(len(set(values)) == len(values) for values in ids.values())
    users = {user["external_id"]: user for user in records(corpus, "users.csv")}
    organizations = set(ids["organizations.csv"])
    assert {user["organization"] for user in users.values()} - {""} <= organizations
    for offer in records(corpus, "offers.jsonl"):
        owner = users[offer["owner"]]
        assert owner["level"] != "0"
        assert offer["organization"] in (None, owner["organization"])
    for need in records(corpus, "needs.jsonl"):
        assert users[need["owner"]]["organization"] == need["organization"] in organizations


def test_every_place_is_an_official_county_of_sichuan(corpus: Path) -> None:
    with REGIONS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["level"] == "county" and row["kind"] == "official"]
    counties = {row["code"] for row in rows if row["code"].startswith("51")}
    used = Counter(record["region"] for name in COUNTS for record in records(corpus, name))
    assert used.keys() <= counties
    assert len(used) > 50


def test_credit_codes_are_valid_and_unique(corpus: Path) -> None:
    codes = [organization["uscc"] for organization in records(corpus, "organizations.csv")]
    assert all(uscc.is_valid(code) for code in codes)
    assert len(set(codes)) == len(codes)
    assert {code[8:10] for code in codes} == {"KY"}


def test_offers_and_needs_carry_the_fields_of_the_import_format(corpus: Path) -> None:
    shared = {"external_id", "title", "keywords", "body", "discipline", "region", "owner", "organization"}
    for offer in records(corpus, "offers.jsonl"):
        assert offer.keys() == shared | {"kind", "stage", "terms"}
        assert offer["kind"] in {"service", "result", "equipment", "expertise", "idea"}
        assert offer["stage"] in {"idea", "lab", "pilot", "product"}
    for need in records(corpus, "needs.jsonl"):
        assert need.keys() == shared | {"budget", "deadline", "outcome"}
        assert need["budget"] is None or need["budget"] > 0


def test_texts_are_filled_in_and_varied(corpus: Path) -> None:
    texts = [record for name in ("offers.jsonl", "needs.jsonl") for record in records(corpus, name)]
    assert not [record for record in texts if "{" in record["title"] + record["body"]]
    assert all(len(set(record["keywords"])) == len(record["keywords"]) >= 3 for record in texts)
    assert len({record["body"] for record in texts}) == len(texts)
    lengths = [len(record["title"] + record["body"]) for record in records(corpus, "offers.jsonl")]
    assert 180 < sum(lengths) / len(lengths) < 220


def test_a_complete_corpus_is_left_alone_until_forced(tmp_path: Path) -> None:
    first = run("--scale", "tiny", cache=tmp_path, check=True)
    folder = Path(first.stdout.strip())
    assert folder == tmp_path / "keyun" / "tiny-1"
    inode = (folder / "offers.jsonl").stat().st_ino
    again = run("--scale", "tiny", cache=tmp_path, check=True)
    assert "already complete" in again.stderr
    assert (folder / "offers.jsonl").stat().st_ino == inode
    forced = run("--scale", "tiny", "--force", cache=tmp_path, check=True)
    assert "already complete" not in forced.stderr
    assert "offers.jsonl: 60 rows" in forced.stderr


def test_a_damaged_file_is_written_again(corpus: Path, tmp_path: Path) -> None:
    run("--scale", "tiny", "--out", tmp_path, check=True)
    damaged = bytearray((tmp_path / "needs.jsonl").read_bytes())
    damaged[100] ^= 1
    (tmp_path / "needs.jsonl").write_bytes(damaged)
    run("--scale", "tiny", "--out", tmp_path, check=True)
    assert contents(tmp_path) == contents(corpus)


def test_a_folder_of_another_scale_is_refused(corpus: Path) -> None:
    before = contents(corpus)
    refused = run("--scale", "small", "--out", corpus)
    assert refused.returncode == 1
    assert "holds the scale tiny" in refused.stderr
    assert contents(corpus) == before


def test_an_unknown_file_name_is_wrong_usage(tmp_path: Path) -> None:
    wrong = run("--scale", "tiny", "--out", tmp_path / "out", "--only", "offers,deeds")
    assert wrong.returncode == 2
    assert "deeds" in wrong.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_region_table_is_named(tmp_path: Path) -> None:
    refused = run("--scale", "tiny", "--out", tmp_path / "out", "--regions", tmp_path / "none.csv")
    assert refused.returncode == 1
    assert "none.csv" in refused.stderr and "--regions" in refused.stderr
