"""Write a synthetic corpus of offers, needs, users and organizations for benchmarks.

    python benchmarks/generate.py --scale sichuan2020

The same scale gives the same bytes on every run and machine. Everything is invented but the names and codes
of counties and the residents of prefectures; no record stands for a person or an organization that exists.
Progress goes to stderr, the folder written to stdout.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from vocabulary import Vocabulary, draw, load, vocabulary_files
from vocabulary.counties import Counties, read_counties
from vocabulary.text import Draws, need_text, offer_text, summary_text
from vocabulary.uscc import synthetic_uscc

VERSION = "1"
REGIONS = Path(__file__).resolve().parents[1] / "core/keyun/regions/data/regions.csv"
FILES = ("offers.jsonl", "needs.jsonl", "users.csv", "organizations.csv")

_NOBODY = -1
_OFFER_KINDS = ("service",) * 9 + ("result",) * 6 + ("equipment",) * 2 + ("expertise",) * 2 + ("idea",)
_STAGES = ("product",) * 4 + ("pilot",) * 3 + ("lab",) * 2 + ("idea",)
_BUDGETS = (None,) * 8 + (20_000, 50_000, 50_000, 100_000, 100_000, 200_000, 300_000, 500_000, 1_000_000)
# Far ahead, so that a product which closes overdue needs still holds these open.
_FIRST_DEADLINE, _DEADLINE_DAYS = date(2030, 1, 1), 1_461


@dataclass(frozen=True, slots=True)
class Scale:
    """How many records a corpus has; ``workers`` is how many of the users have a level of at least 1."""

    name: str
    offers: int
    needs: int
    users: int
    workers: int
    organizations: int


SCALES = (
    Scale("tiny", offers=60, needs=60, users=300, workers=160, organizations=40),
    Scale("small", offers=1_000, needs=1_000, users=5_000, workers=2_674, organizations=500),
    # The figures Sichuan published for the end of 2020 and February 2021.
    Scale("sichuan2020", 146_000, 158_600, users=2_300_000, workers=1_230_000, organizations=123_000),
)


@dataclass(frozen=True, slots=True)
class World:
    """Who there is: one entry for each organization and each user, holding indexes instead of text.

    ``user_organization`` is -1 for a user of no organization.
    """

    scale: Scale
    vocabulary: Vocabulary
    counties: Counties
    organization_county: array[int]
    organization_kind: list[str]
    organization_discipline: array[int]
    user_county: array[int]
    user_organization: array[int]
    user_level: bytearray

    def draws(self, rng: Random, discipline: int, county: int) -> Draws:
        """Return fresh draws for one text about a discipline, from a county."""
        subject = self.vocabulary.disciplines[discipline]
        return Draws(rng, self.vocabulary, subject, self.counties.names, self.counties.names[county])


def stream(scale: Scale, part: str) -> Random:
    """Return the random stream of one part of a corpus; parts do not disturb each other."""
    return Random(f"keyun corpus {VERSION}/{scale.name}/{part}")


def build_world(scale: Scale, vocabulary: Vocabulary, counties: Counties) -> World:
    """Decide who exists: exact counts, a few large organizations and many small ones."""
    rng = stream(scale, "organizations")
    size = scale.organizations
    world = World(
        scale,
        vocabulary,
        counties,
        organization_county=array("H", (draw(rng, counties.urn) for _ in range(size))),
        organization_kind=[draw(rng, vocabulary.kinds) for _ in range(size)],
        organization_discipline=array("B", (draw(rng, vocabulary.discipline_urn) for _ in range(size))),
        user_county=array("H"),
        user_organization=array("i"),
        user_level=bytearray(),
    )
    _add_users(world, stream(scale, "users"))
    return world


def _add_users(world: World, rng: Random) -> None:
    scale, chance = world.scale, rng.random
    workers_left = scale.workers
    for users_left in range(scale.users, 0, -1):
        # Selection sampling (Knuth, algorithm S) gives exactly the number of workers in one pass.
        is_worker = chance() * users_left < workers_left
        workers_left -= is_worker
        level = 1 + (chance() < 0.4) + (chance() < 0.1) if is_worker else 0
        is_member = chance() < (0.7 if is_worker else 0.2)
        organization = _skewed(rng, scale.organizations) if is_member else _NOBODY
        if is_member and chance() < 0.9:
            county = world.organization_county[organization]
        else:
            county = draw(rng, world.counties.urn)
        world.user_level.append(level)
        world.user_organization.append(organization)
        world.user_county.append(county)


def _skewed(rng: Random, size: int) -> int:
    """Return an index below size; the lower, the more frequent."""
    share = rng.random()
    return int(share * share * size)


def offers(world: World) -> Iterator[str]:
    """Yield one JSON line for each offer; its owner is a worker, and a few workers own many."""
    rng = stream(world.scale, "offers")
    for number in range(world.scale.offers):
        owner = _skewed(rng, world.scale.users)
        while not world.user_level[owner]:
            owner = _skewed(rng, world.scale.users)
        organization = world.user_organization[owner] if rng.random() < 0.85 else _NOBODY
        discipline = _discipline_of(world, rng, owner, organization)
        county = world.user_county[owner]
        text = offer_text(rng, world.draws(rng, discipline, county), world.vocabulary)
        yield _json_line(
            external_id=f"offer-{number:07d}",
            title=text.title,
            keywords=text.keywords,
            body=text.body,
            discipline=world.vocabulary.disciplines[discipline].name,
            region=world.counties.codes[county],
            owner=_user_id(owner),
            organization=_organization_id(organization) or None,
            kind=draw(rng, _OFFER_KINDS),
            stage=draw(rng, _STAGES),
            terms=draw(rng, world.vocabulary.general["terms"]),
        )


def _discipline_of(world: World, rng: Random, owner: int, organization: int) -> int:
    if organization != _NOBODY and rng.random() < 0.7:
        return world.organization_discipline[organization]
    # A fixed mix of the owner's number, so that all offers of one person stay in one field.
    urn = world.vocabulary.discipline_urn
    return urn[(owner * 2_654_435_761 >> 9) % len(urn)]


def needs(world: World) -> Iterator[str]:
    """Yield one JSON line for each need; its owner belongs to the organization, mostly an enterprise."""
    rng = stream(world.scale, "needs")
    for number in range(world.scale.needs):
        owner = _needy_user(world, rng)
        organization = world.user_organization[owner]
        county = world.organization_county[organization]
        discipline = world.organization_discipline[organization]
        if rng.random() < 0.3:
            discipline = draw(rng, world.vocabulary.discipline_urn)
        text = need_text(rng, world.draws(rng, discipline, county), world.vocabulary)
        deadline = _FIRST_DEADLINE + timedelta(days=int(rng.random() * _DEADLINE_DAYS))
        yield _json_line(
            external_id=f"need-{number:07d}",
            title=text.title,
            body=text.body,
            keywords=text.keywords,
            discipline=world.vocabulary.disciplines[discipline].name if rng.random() < 0.8 else None,
            region=world.counties.codes[county],
            owner=_user_id(owner),
            organization=_organization_id(organization),
            budget=draw(rng, _BUDGETS),
            deadline=deadline.isoformat() if rng.random() < 0.6 else None,
            outcome=draw(rng, world.vocabulary.general["outcomes"]),
        )


def _needy_user(world: World, rng: Random) -> int:
    while True:
        user = int(rng.random() * world.scale.users)
        organization = world.user_organization[user]
        if organization == _NOBODY:
            continue
        if world.organization_kind[organization] == "enterprise" or rng.random() < 0.3:
            return user


def users(world: World) -> Iterator[str]:
    """Yield the header and one CSV line for each user."""
    yield _csv_line("external_id", "login", "name", "email", "region", "organization", "level")
    for user, level in enumerate(world.user_level):
        yield _csv_line(
            _user_id(user),
            f"u{user:07d}",
            f"{'科技工作者' if level else '注册用户'}{user:07d}",
            f"u{user:07d}@example.org",
            world.counties.codes[world.user_county[user]],
            _organization_id(world.user_organization[user]),
            level,
        )


def organizations(world: World) -> Iterator[str]:
    """Yield the header and one CSV line for each organization."""
    rng = stream(world.scale, "organization texts")
    yield _csv_line("external_id", "name", "kind", "uscc", "region", "summary")
    for organization, kind in enumerate(world.organization_kind):
        county = world.organization_county[organization]
        code, place = world.counties.codes[county], world.counties.names[county]
        draws = world.draws(rng, world.organization_discipline[organization], county)
        noun = draw(rng, world.vocabulary.kind_nouns[kind])
        subject = "" if kind == "hospital" else draws["o"]
        yield _csv_line(
            _organization_id(organization),
            f"{place}{subject}{noun}（合成{organization:06d}号）",
            kind,
            synthetic_uscc(kind, code, organization),
            code,
            summary_text(rng, draws, world.vocabulary),
        )


def _user_id(user: int) -> str:
    return f"user-{user:07d}"


def _organization_id(organization: int) -> str:
    return "" if organization == _NOBODY else f"org-{organization:06d}"


def _json_line(**record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _csv_line(*fields: object) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue()


def default_folder(scale: Scale) -> Path:
    """Return the folder of a scale in the user's cache: $XDG_CACHE_HOME/keyun, or ~/.cache/keyun."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "keyun" / f"{scale.name}-{VERSION}"


def generate(
    scale: Scale, folder: Path, only: Iterable[str] = FILES, *, force: bool = False, regions: Path = REGIONS
) -> None:
    """Write the named files of a corpus into a folder, except those already there and complete.

    The folder's ``manifest.json`` holds what the files were made from, and their rows, bytes and SHA-256.

    :raises FileExistsError: when the folder holds a corpus of another scale.
    :raises FileNotFoundError: when there is no region table at ``regions``.
    """
    if not regions.exists():
        raise FileNotFoundError(f"no region table at {regions}; name the product's with --regions")
    vocabulary = load()
    counties = read_counties(regions, vocabulary.residents)
    manifest = _read_manifest(folder, scale)
    source = {
        "generator_version": VERSION,
        "scale": asdict(scale),
        "generator_sha256": _generator_digest(),
        "counties_sha256": hashlib.sha256(repr((counties.codes, counties.names)).encode()).hexdigest(),
    }
    files = manifest.pop("files", {}) if manifest.items() >= source.items() else {}
    wanted = [name for name in FILES if name in set(only)]
    todo = [name for name in wanted if force or not _is_complete(folder / name, files.get(name))]
    if not todo:
        _report(f"{', '.join(wanted)}: already complete")
        return
    folder.mkdir(parents=True, exist_ok=True)
    world = build_world(scale, vocabulary, counties)
    writers = dict(zip(FILES, (offers, needs, users, organizations), strict=True))
    for name in todo:
        rows: int = getattr(scale, name.split(".")[0])
        files[name] = _write(folder / name, writers[name](world), rows)
        _write_manifest(folder, {**source, "files": {name: files[name] for name in FILES if name in files}})


def _generator_digest() -> str:
    """Return the SHA-256 of the code and words a corpus is made from; a change makes it stale."""
    here = Path(__file__).resolve()
    digest = hashlib.sha256()
    for path in (here, *sorted((here.parent / "vocabulary").glob("*.py")), *vocabulary_files()):
        # Line endings differ between checkouts; the text does not.
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def _read_manifest(folder: Path, scale: Scale) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.exists():
        return {}
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if manifest["scale"]["name"] != scale.name:
        held = manifest["scale"]["name"]
        raise FileExistsError(f"{folder} holds the scale {held}, not {scale.name}; name another with --out")
    return manifest


def _is_complete(path: Path, entry: dict[str, Any] | None) -> bool:
    if entry is None or not path.exists() or path.stat().st_size != entry["bytes"]:
        return False
    with path.open("rb") as file:
        return bool(hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"])


def _write(path: Path, lines: Iterable[str], rows: int) -> dict[str, Any]:
    """Write lines under a temporary name, rename, and return the manifest entry.

    ``rows`` counts records, without a CSV file's header.
    """
    digest, size, step = hashlib.sha256(), 0, max(rows // 5, 10_000)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            for number, line in enumerate(lines):
                data = line.encode()
                digest.update(data)
                size += file.write(data)
                if 0 < number < rows and number % step == 0:
                    _report(f"{path.name}: {number:,} of {rows:,}")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _report(f"{path.name}: {rows:,} rows, {size:,} bytes")
    return {"rows": rows, "bytes": size, "sha256": digest.hexdigest()}


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    temporary = folder / f".manifest.json.{os.getpid()}"
    temporary.write_bytes(json.dumps(manifest, ensure_ascii=False, indent=1).encode() + b"\n")
    temporary.replace(folder / "manifest.json")


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _file_names(text: str) -> list[str]:
    by_stem = {name.split(".")[0]: name for name in FILES}
    unknown = sorted(set(text.split(",")) - set(by_stem))
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(by_stem)}")
    return [by_stem[stem] for stem in text.split(",")]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 refused with a reason, 2 wrong usage."""
    scales = {scale.name: scale for scale in SCALES}
    parser = argparse.ArgumentParser(description="Write a synthetic corpus for benchmarks.")
    parser.add_argument("--scale", choices=scales, required=True)
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", help="folder to write (default: in the user's cache)")
    add("--only", type=_file_names, default=FILES, metavar="NAMES", help="such as offers,needs")
    add("--force", action="store_true", help="write again what is already complete")
    add("--regions", type=Path, default=REGIONS, metavar="CSV", help="region table (default: the core's)")
    options = parser.parse_args(arguments)
    scale = scales[options.scale]
    folder = options.out or default_folder(scale)
    try:
        generate(scale, folder, options.only, force=options.force, regions=options.regions)
    except (FileExistsError, FileNotFoundError) as error:
        _report(str(error))
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
