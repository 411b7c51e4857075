"""Match needs against all offers: our engine, tantivy on the same tokens, and Whoosh, in one run.

CPU time of this process for each need: segmentation, ranking and explanation of the top 20.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import generate
from _report import Row, parser, peak_megabytes, private_megabytes, quantile, report
from keyun.search.analysis import analyzer
from keyun_marketplace.matching import store
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.evaluate import Labelled, whoosh_of
from keyun_marketplace.matching.kernels import available, choose
from keyun_marketplace.matching.records import Query, Record, Weights
from keyun_marketplace.matching.segment import build
from keyun_marketplace.matching.tokens import terms

TOP = 20
Run = Callable[[dict[str, Any]], object]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file."""
    with path.open(encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def record(number: int, row: dict[str, Any]) -> Record:
    """An offer of the generated corpus as the matcher takes it."""
    return Record(
        number, "offer", row["title"], tuple(row["keywords"]), row["body"], row["discipline"], row["region"]
    )


def query(row: dict[str, Any]) -> Query:
    """A need of the generated corpus as it is asked."""
    return Query(row["title"], tuple(row["keywords"]), row["body"], row["discipline"], row["region"])


def cpu_milliseconds(run: Run, needs: Sequence[dict[str, Any]]) -> list[float]:
    """CPU milliseconds of ``run`` for each need, after a warm-up."""
    for need in needs[:5]:
        run(need)
    times = []
    for need in needs:
        start = time.process_time()
        run(need)
        times.append((time.process_time() - start) * 1000)
    return times


def tantivy_run(offers: Sequence[dict[str, Any]]) -> Run:
    """tantivy over the same terms (words and bigrams of title, keywords and body), any may match."""
    import tantivy

    words = analyzer()
    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True)
    schema.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
    index = tantivy.Index(schema.build())
    writer = index.writer(256_000_000, 1)
    for number, row in enumerate(offers, 1):
        text = f"{row['title']}，{'，'.join(row['keywords'])}，{row['body']}"
        document = tantivy.Document()
        document.add_integer("id", number)
        document.add_text("text", " ".join(terms(words, text)))
        writer.add_document(document)
    writer.commit()
    index.reload()
    searcher, used = index.searcher(), index.schema

    def run(need: dict[str, Any]) -> object:
        asked = dict.fromkeys(terms(words, query(need).text))
        should = [(tantivy.Occur.Should, tantivy.Query.term_query(used, "text", t, "freq")) for t in asked]
        return searcher.search(tantivy.Query.boolean_query(should), TOP).hits

    return run


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "")
    options.add_argument("--offers", type=int, default=146_000)
    options.add_argument("--needs", type=int, default=500)
    options.add_argument(
        "--whoosh", type=int, default=20_000, help="offers in Whoosh's index; 0 leaves it out"
    )
    given = options.parse_args()
    wanted = "sichuan2020" if given.offers > 1000 else "small"
    scale = next(s for s in generate.SCALES if s.name == wanted)
    folder = generate.default_folder(scale)
    generate.generate(scale, folder, ("offers.jsonl", "needs.jsonl"))
    needs = list(islice(lines(folder / "needs.jsonl"), given.needs))
    rows: list[Row] = []

    start = time.process_time()
    source = (record(n, r) for n, r in enumerate(islice(lines(folder / "offers.jsonl"), given.offers), 1))
    segment = build(source, analyzer(), Weights())
    built = time.process_time() - start
    rows.append(Row("build, records", segment.size / built, "/s CPU"))
    rows.append(Row("build, peak memory of the process", peak_megabytes(), "MB"))
    with tempfile.TemporaryDirectory() as place:
        store.write(Path(place), segment, {})
        size = sum(p.stat().st_size for p in Path(place).rglob("*.npy")) / 1e6
        del segment
        rows.append(Row("index on disk, mapped by every process", size, "MB"))
        rows += measure(Path(place), folder, given, needs)
    report("matching", rows, given.json)


def measure(place: Path, folder: Path, given: Any, needs: Sequence[dict[str, Any]]) -> list[Row]:
    """The figures over the stored index."""
    rows: list[Row] = []
    ours: list[float] = []
    for kernel in available():
        matcher = Matcher.open(place, analyzer(), choose(kernel))
        times = cpu_milliseconds(lambda n, m=matcher: m.match(query(n), {"offer": TOP}), needs)  # type: ignore[misc]
        ours = ours or times
        rows.append(Row(f"one need, {kernel}, p50", quantile(times, 0.5), "ms CPU"))
        rows.append(Row(f"one need, {kernel}, p99", quantile(times, 0.99), "ms CPU"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # A process of its own: this one still has the memory of the build.
        private = pool.apply(worker_megabytes, (place, needs[:50]))
    rows.append(Row("private memory of a process that only answers", private, "MB"))
    matcher = Matcher.open(place, analyzer(), choose())
    rows += delta(matcher, given.offers)
    offers = list(islice(lines(folder / "offers.jsonl"), given.offers))
    rows += peers(offers, needs, ours, given.whoosh, matcher)
    return rows


def worker_megabytes(place: Path, needs: Sequence[dict[str, Any]]) -> float:
    """The private memory of a process that has mapped the index and answered ``needs``."""
    matcher = Matcher.open(place, analyzer(), choose())
    for need in needs:
        matcher.match(query(need), {"offer": TOP})
    return private_megabytes()


def delta(matcher: Matcher, size: int) -> list[Row]:
    """How long a new offer takes to be findable, with few and with many unmerged ones."""
    rows = []
    for count in (1, 1000):
        extra = [
            Record(size + n, "offer", f"晚熟柑橘黄龙病检测第{n}号", ("柑橘", "黄龙病"), "提供黄龙病检测服务")
            for n in range(1, count)
        ]
        matcher.apply(extra)
        new = Record(size + count, "offer", "独一无二的麒麟竭提取工艺", ("麒麟竭",), "提取与纯化")
        start = time.process_time()
        matcher.apply([new])
        found = matcher.match(Query(body="麒麟竭提取"), {"offer": 1}).candidates["offer"]
        spent = (time.process_time() - start) * 1000
        assert found[0].key == new.key
        rows.append(Row(f"add an offer and find it, {count} unmerged", spent, "ms CPU"))
    return rows


def peers(
    offers: Sequence[dict[str, Any]], needs: Sequence[dict[str, Any]], ours: Sequence[float], whoosh: int,
    matcher: Matcher,
) -> list[Row]:  # fmt: skip
    """The same needs in tantivy; 20 of them in Whoosh."""
    rows: list[Row] = []
    try:
        run = tantivy_run(offers)
    except ImportError:
        rows.append(Row("tantivy", 0.0, "", "left out: pip install tantivy"))
    else:
        times = cpu_milliseconds(run, needs)
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            theirs, mine = quantile(times, share), quantile(ours, share)
            rows.append(Row(f"tantivy, same tokens, {name}", theirs, "ms CPU", "ours", theirs / mine))
    if whoosh:
        part = [record(n, r) for n, r in enumerate(offers[:whoosh], 1)]
        some = [{"text": query(n).text} for n in needs[:20]]
        with whoosh_of(Labelled(part, [str(r.key) for r in part], [], {}), analyzer()) as slow:
            theirs = quantile(cpu_milliseconds(slow, some), 0.5)
        mine = quantile(
            cpu_milliseconds(lambda n: matcher.match(Query(body=n["text"]), {"offer": TOP}), some), 0.5
        )
        rows.append(
            Row(
                f"Whoosh, {len(part)} offers, whole text, p50",
                theirs,
                "ms CPU",
                "ours on all offers",
                theirs / mine,
            )
        )
    return rows


if __name__ == "__main__":
    main()
