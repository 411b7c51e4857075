"""Site search: index, keyword questions and long texts; SQLite FTS5 over the same words as the peer.

CPU time of this process. A question is answered as the site does: segmented, ranked, the first page
of 20. Both engines ask with the same words, all of which must stand in a document; for a long text,
any of its 8 rarest.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from _report import Row, parser, peak_megabytes, quantile, report
from keyun.search import Document, Query, analyzer
from keyun.search.question import ask
from keyun.search.whoosh import MOST_WORDS, WhooshBackend

TOP = 20
REGIONS = ("511424", "510104", "511402", "513401", "510703")
#: Words of the built-in corpus, each in many documents; a more natural one comes from generate.py.
SUBJECTS = (
    "柑橘 猕猴桃 水稻 油菜 生猪 牦牛 电池 钒钛 多晶硅 轴承 阀门 传感器 机器人 无人机 遥感 滑坡 桥梁 疫苗"
)
DEEDS = "检测 防治 栽培 育种 回收 设计 诊断 监测 评估 改造 培训 咨询 仿真 加工 保鲜 识别 预警 认证 维修"
THINGS = "技术 服务 设备 方案 平台 标准 工艺 模型 软件 样品 数据 系统 基地 团队 成果 专利"
SIDES = "精准 智能 绿色 低温 高效 快速 自动 现场 规模化 数字化 山地 高原 民族地区 园区 农村 城市"
Ask = Callable[[str], object]


def synthetic(count: int) -> Iterator[dict[str, Any]]:
    """Offers from the small vocabulary; the same for the same count."""
    rng = Random("keyun search benchmark")

    def pick(text: str) -> str:
        words = text.split()
        # Squaring makes some words frequent and some rare, as words are.
        return words[int(rng.random() ** 2 * len(words))]

    for n in range(count):
        parts = [f"{pick(SIDES)}{pick(SUBJECTS)}{pick(DEEDS)}{pick(THINGS)}" for _ in range(12)]
        yield {
            "title": f"{pick(SUBJECTS)}{pick(DEEDS)}{pick(THINGS)}K{n:06d}", "body": "，".join(parts) + "。",
            "keywords": [pick(SUBJECTS), pick(DEEDS)], "region": REGIONS[n % len(REGIONS)],
        }  # fmt: skip


def document(number: int, row: dict[str, Any]) -> Document:
    """A row as the site indexes it."""
    published = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=number)
    extra = " ".join(row["keywords"])
    return Document(
        number, "marketplace.offer", row["title"], row["body"], extra, row["region"], published, version=1
    )


def questions(rows: Sequence[dict[str, Any]], words: int, count: int) -> list[str]:
    """``count`` questions of ``words`` words that stand together in some document."""
    rng = Random(words)
    made: list[str] = []
    while len(made) < count:
        row = rng.choice(rows)
        have = sorted({w for w in analyzer().words(row["title"] + row["body"]) if len(w) > 1})
        if len(have) >= words:
            made.append(" ".join(rng.sample(have, words)))
    return made


def milliseconds(run: Ask, asked: Sequence[str]) -> list[float]:
    """CPU milliseconds for each question, after a warm-up."""
    for text in asked[:5]:
        run(text)
    times = []
    for text in asked:
        start = time.process_time()
        run(text)
        times.append((time.process_time() - start) * 1000)
    return times


class Fts5:
    """SQLite FTS5 over the same words, title and keywords weighted the same."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path)
        self.database.execute("CREATE VIRTUAL TABLE found USING fts5(title, extra, body)")
        self.database.execute("CREATE VIRTUAL TABLE words USING fts5vocab(found, row)")

    def add(self, documents: Iterator[Document] | Sequence[Document]) -> None:
        """Add ``documents`` in one transaction."""
        words = analyzer().words
        rows = ((d.id, *(" ".join(words(t)) for t in (d.title, d.extra, d.body))) for d in documents)
        with self.database:
            insert = "INSERT INTO found(rowid, title, extra, body) VALUES (?, ?, ?, ?)"
            self.database.executemany(insert, rows)

    def __call__(self, text: str) -> object:
        """The ids of the first page."""
        asked = list(ask(text).required)
        glue = " "
        if len(asked) > MOST_WORDS:
            asked, glue = self._rarest(asked), " OR "
        query = "SELECT rowid FROM found WHERE found MATCH ? ORDER BY bm25(found, 3.0, 2.0, 1.0) LIMIT ?"
        return self.database.execute(query, (glue.join(f'"{w}"' for w in asked), TOP)).fetchall()

    def _rarest(self, asked: Sequence[str]) -> list[str]:
        marks = ",".join("?" * len(asked))
        query = f"SELECT term FROM words WHERE term IN ({marks}) ORDER BY doc LIMIT ?"
        return [term for (term,) in self.database.execute(query, (*asked, MOST_WORDS))]


def fill(engine: WhooshBackend, documents: Iterator[Document]) -> None:
    """Build the index as ``keyun index rebuild`` does."""
    with engine.building() as new:
        new.update(documents)
        with engine.writing():
            new.activate()


def spent(run: Callable[[], object]) -> float:
    """CPU seconds of ``run``."""
    start = time.process_time()
    run()
    return time.process_time() - start


def writing(engine: WhooshBackend, peer: Fts5, rows: Sequence[dict[str, Any]]) -> list[Row]:
    """One document until it is found, and changes a thousand at a time."""
    size = len(rows)

    def one(n: int) -> None:
        with engine.writing():
            engine.update([document(size + n, rows[n])])
        engine.search(Query(rows[n]["title"]))

    def one_there(n: int) -> None:
        peer.add([document(size + n, rows[n])])
        peer(rows[n]["title"])

    ours = [spent(partial(one, n)) * 1000 for n in range(1, 21)]
    theirs = [spent(partial(one_there, n)) * 1000 for n in range(1, 21)]
    changed = [document(n, row) for n, row in enumerate(rows[:1000], 1)]

    def many() -> None:
        with engine.writing():
            engine.update(changed)

    rate = len(changed) / spent(many)
    mine, other = quantile(ours, 0.5), quantile(theirs, 0.5)
    return [
        Row("one document visible, p50", mine, "ms CPU", "FTS5", other / mine),
        Row("one document visible, p99", quantile(ours, 0.99), "ms CPU"),
        Row("documents changed, 1,000 in a commit", rate, "/s CPU"),
    ]


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "")
    options.add_argument("--documents", type=int, default=10_000)
    options.add_argument("--questions", type=int, default=300)
    options.add_argument("--offers", type=Path, help="a JSONL file of offers to use instead")
    given = options.parse_args()
    if given.offers:
        with given.offers.open(encoding="utf-8") as f:
            rows = [json.loads(line) for line in islice(f, given.documents)]
    else:
        rows = list(synthetic(given.documents))
    with tempfile.TemporaryDirectory() as place:
        report("search", measure(Path(place), rows, given.questions), given.json)


def measure(place: Path, rows: Sequence[dict[str, Any]], count: int) -> list[Row]:
    """Every figure."""
    engine, peer = WhooshBackend(place / "search"), Fts5(place / "fts5.db")
    mine = spent(lambda: fill(engine, (document(n, r) for n, r in enumerate(rows, 1))))
    peak = peak_megabytes()
    theirs = spent(lambda: peer.add(document(n, r) for n, r in enumerate(rows, 1)))
    size = sum(p.stat().st_size for p in (place / "search").rglob("*")) / 1e6
    found = [
        Row(f"build, {len(rows):,} documents", len(rows) / mine, "/s CPU", "FTS5", theirs / mine),
        Row("build, peak memory of the process", peak, "MB"),
        Row("index on disk", size, "MB", "FTS5", (place / "fts5.db").stat().st_size / 1e6 / size),
    ]
    kinds = {f"{n} keyword{'s' * (n > 1)}, all": questions(rows, n, count) for n in (1, 2, 3)}
    texts = Random(4).sample(list(rows), min(count, len(rows)))
    kinds["long text, its 8 rarest words"] = [r["body"] for r in texts]
    for name, asked in kinds.items():
        ours = milliseconds(lambda text: engine.search(Query(text, limit=TOP)), asked)
        other = milliseconds(peer, asked)
        for share, label in ((0.5, "p50"), (0.99, "p99")):
            value = quantile(ours, share)
            found.append(Row(f"{name}, {label}", value, "ms CPU", "FTS5", quantile(other, share) / value))
    return found + writing(engine, peer, rows)


if __name__ == "__main__":
    main()
